-- wrk -s guess.lua URL -- FILE     asks for the URL with the Basic credentials of FILE in turn, one in base64 a line
function init(args)
   requests, turn = {}, 0
   for credentials in io.lines(args[1]) do
      requests[#requests + 1] = wrk.format("GET", nil, {Authorization = "Basic " .. credentials})
   end
end

function request()
   turn = turn + 1
   return requests[turn % #requests + 1]
end
