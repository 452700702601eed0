-- wrk -s wrk.lua URL -- get FILE             asks for the paths of FILE in turn
-- wrk -s wrk.lua URL -- trigger DAGS FIRST PATH BODY
--     triggers runs: each request has a run_id and an execution_date of its own, from the second FIRST on
local threads = 0

function setup(thread)
   threads = threads + 1
   thread:set("number", threads)
end

function init(args)
   turn = number * 997
   if args[1] == "get" then
      requests = {}
      for path in io.lines(args[2]) do
         requests[#requests + 1] = wrk.format("GET", path)
      end
   else
      dags, second, path, body = tonumber(args[2]), tonumber(args[3]) + number * 1000000, args[4], args[5]
      headers = {["Content-Type"] = "application/json"}
   end
end

function request()
   turn = turn + 1
   if requests then
      return requests[turn % #requests + 1]
   end
   second = second + 1
   local values = {
      dag = string.format("bench_%04d", 1 + turn % (dags - 1)),
      run_id = "load_" .. second,
      date = os.date("!%Y-%m-%dT%H:%M:%S+00:00", second),
   }
   return wrk.format("POST", path:gsub("{(%w[%w_]*)}", values), headers, (body:gsub("{(%w[%w_]*)}", values)))
end

function done(summary, latency, _)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.3f, "p99": %.3f}\n',
      summary.requests, summary.duration / 1e6,
      errors.connect + errors.read + errors.write + errors.status + errors.timeout,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000
   ))
end
