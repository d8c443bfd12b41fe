-- What wrk sends and how it reports: `-- POST 1024` after its own arguments makes it post so many bytes, `-- HOSTS 100` ask any of
-- t0.example.com to t99.example.com; the summary is one line of JSON.
-- Whatever host the address names, in the handshake too: it is on this machine.
local lookup = wrk.lookup
function wrk.lookup(_, service)
  return lookup("127.0.0.1", service)
end

function init(args)
  if args[1] == "HOSTS" then
    local count = tonumber(args[2])
    request = function()
      wrk.headers["Host"] = "t" .. math.random(0, count - 1) .. ".example.com"
      return wrk.format()
    end
  end
  if args[1] == "POST" then
    wrk.method = "POST"
    wrk.body = string.rep("x", tonumber(args[2]))
  end
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '{"requests":%d,"bytes":%d,"micros":%d,"broken":%d,"refused":%d,"p50":%d,"p99":%d}\n',
    summary.requests, summary.bytes, summary.duration, broken, errors.status,
    latency:percentile(50), latency:percentile(99)
  ))
end
