-- The load, for wrk: what it sends, and what it reports.
--
--   wrk OPTIONS --script load.lua URL                           the same request all the time
--   wrk OPTIONS --script load.lua URL -- pauses                 likewise, with pauses in between
--   wrk OPTIONS --script load.lua URL -- form BODY              likewise, each with this form
--   wrk OPTIONS --script load.lua URL -- each FILE CONNECTIONS  each request in FILE once, then the end
--
-- A line of FILE is: method, path, `Authorization`, body (or nothing), with tabs in between. Instances of this script have
-- nothing in common, so there may be only one thread.

local ffi = require("ffi")

ffi.cdef([[
   typedef struct { long seconds, nanoseconds; } instant;
   int clock_gettime(int clock, instant *now);
   int getpid(void);
   int kill(int process, int signal);
]])

-- Of Linux.
local CLOCK_MONOTONIC = 1
local SIGINT = 2

-- Milliseconds. With 32 connections some 2,000 requests per second: a small part of what any of the servers can do.
local SHORTEST_PAUSE = 6
local LONGEST_PAUSE = 26

local function now()
   local instant = ffi.new("instant")
   ffi.C.clock_gettime(CLOCK_MONOTONIC, instant)
   return tonumber(instant.seconds) + tonumber(instant.nanoseconds) / 1e9
end

local function read(file)
   local requests = {}
   for line in io.lines(file) do
      local method, path, authorization, body = line:match("^(.-)\t(.-)\t(.-)\t(.*)$")
      local headers = { Authorization = authorization }
      if body == "" then
         body = nil
      else
         headers["Content-Type"] = "application/json"
      end
      requests[#requests + 1] = wrk.format(method, path, headers, body)
   end
   return requests
end

local function each(requests, connections)
   local checked = false
   local asked = 0
   local begun
   return function()
      if not checked then
         -- wrk looks at a request before it begins, and does not send it.
         checked = true
         return requests[1]
      end
      begun = begun or now()
      asked = asked + 1
      if asked == #requests + connections then
         -- Each connection has asked for more than there is, so each has got its last answer. The thread stops; the signal
         -- is for the main thread, which sleeps for as long as `--duration` says.
         elapsed = now() - begun
         wrk.thread:stop()
         ffi.C.kill(ffi.C.getpid(), SIGINT)
      end
      return requests[asked] or ""
   end
end

local thread

function setup(only)
   thread = only
end

function init(args)
   if args[1] == "pauses" then
      math.randomseed(1)
      delay = function()
         return math.random(SHORTEST_PAUSE, LONGEST_PAUSE)
      end
   elseif args[1] == "form" then
      wrk.method = "POST"
      wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
      wrk.body = args[2]
   elseif args[1] == "each" then
      request = each(read(args[2]), tonumber(args[3]))
   end
end

function done(summary, latency, _)
   local errors = summary.errors
   local report = '{"answers":%d,"seconds":%f,"p50":%d,"p99":%d,"refusals":%d,"failures":%d}'
   print(report:format(
      summary.requests,
      thread:get("elapsed") or summary.duration / 1e6,
      latency:percentile(50),
      latency:percentile(99),
      errors.status,
      errors.connect + errors.read + errors.write + errors.timeout
   ))
end
