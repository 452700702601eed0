-- wrk: each request triggers a run of its own, after the start_date of the documents' DAG; at the end, how many were answered with 200.
local threads = {}

function setup(thread)
   table.insert(threads, thread)
   thread:set("second", 0)
   thread:set("answered", 0)
end

function request()
   second = second + 1
   local date = os.date("!%Y-%m-%dT%H:%M:%SZ", 1735689600 + second)
   local body = string.format('{"run_id": "load-%d", "execution_date": "%s"}', second, date)
   return wrk.format("POST", nil, nil, body)
end

function response(status)
   if status == 200 then
      answered = answered + 1
   end
end

function done()
   for _, thread in ipairs(threads) do
      print("answered " .. thread:get("answered"))
   end
end
