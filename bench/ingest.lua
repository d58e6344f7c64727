-- wrk script of bench/ingest.py: every request is a push of its own, signed as GitHub signs it. It has another commit and
-- delivery id each time, so that none is a duplicate. BODY_FILE holds the body, COMMIT the id in it that is replaced.
local ffi = require("ffi")
ffi.cdef [[
const void *EVP_sha256(void);
unsigned char *HMAC(const void *md, const void *key, int key_len, const unsigned char *data, size_t count,
                    unsigned char *digest, unsigned int *length);
]]
local crypto = ffi.load("libcrypto.so.3")

local file = assert(io.open(os.getenv("BODY_FILE"), "rb"))
local body = file:read("*a")
file:close()
local commit, key, spoil = os.getenv("COMMIT"), os.getenv("SECRET"), os.getenv("SPOIL")
local bytes = ffi.new("unsigned char[?]", #body)
ffi.copy(bytes, body, #body)
local places, from = {}, 1
while true do
  local at = body:find(commit, from, true)
  if not at then break end
  places[#places + 1] = at - 1
  from = at + 1
end

local digest, length = ffi.new("unsigned char[32]"), ffi.new("unsigned int[1]")
local hex = {}
for i = 0, 255 do hex[i] = string.format("%02x", i) end
local text = {}
local count, run = 0, os.getenv("RUN")

local headers = {["Content-Type"] = "application/json", ["X-GitHub-Event"] = "push", ["User-Agent"] = "GitHub-Hookshot/bench"}
function request()
  count = count + 1
  local id = string.format("%s%032x", run, count)
  for _, place in ipairs(places) do ffi.copy(bytes + place, id, 40) end
  crypto.HMAC(crypto.EVP_sha256(), key, #key, bytes, #body, digest, length)
  for i = 0, 31 do text[i + 1] = hex[digest[i]] end
  if spoil then
    text[1] = text[1] == "00" and "01" or "00"
    -- From many addresses, so that no limit spares the server the work.
    headers["X-Forwarded-For"] = string.format("10.%d.%d.%d", count / 65536 % 256, count / 256 % 256, count % 256)
  end
  headers["X-GitHub-Delivery"] = id
  headers["X-Hub-Signature-256"] = "sha256=" .. table.concat(text)
  return wrk.format("POST", os.getenv("URL_PATH"), headers, ffi.string(bytes, #body))
end

-- By status, as what is shed must not count as accepted.
local statuses = {}
function response(status) statuses[status] = (statuses[status] or 0) + 1 end
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function init() thread_statuses = statuses end

function done(summary, latency)
  local errors = summary.errors
  local seen = {}
  for _, thread in ipairs(threads) do
    for status, number in pairs(thread:get("thread_statuses")) do seen[#seen + 1] = string.format('"%d": %d', status, number) end
  end
  io.write(string.format('RESULT {"requests": %d, "seconds": %f, "p50": %d, "p99": %d, "max": %d, "socket_errors": %d, "statuses": {%s}}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99), latency.max,
    errors.connect + errors.read + errors.write + errors.timeout, table.concat(seen, ", ")))
end
