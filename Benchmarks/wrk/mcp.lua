-- Sends one prepared request over and over, each time with an id of its own.
--
-- Arguments after `--`: the template file, then the sessions file (may be empty).
-- The template is a whole HTTP request in which {id} stands for the JSON-RPC id and, where sessions are used, {session}
-- for the value of Mcp-Session-Id. Sessions are taken in turn, one per line of the sessions file.
-- Every id has seven digits, so every request has the same length, and so has every right answer: the harness compares
-- the bytes received with that length, which checks each answer without slowing this process down.
--
-- Prints, as its last line, one JSON object with what the run counted. Latencies are in microseconds.

local first_id, last_id = 1000000, 9999999
local before_id, after_id = {}, nil
local next_id, next_session = first_id, 0

local function read(path)
    local file = assert(io.open(path, "rb"))
    local content = file:read("*a")
    file:close()
    return content
end

function init(arguments)
    local template = read(arguments[1])
    local start, stop = template:find("{id}", 1, true)
    local before = template:sub(1, start - 1)
    after_id = template:sub(stop + 1)
    for session in read(arguments[2]):gmatch("[^\n]+") do
        before_id[#before_id + 1] = before:gsub("{session}", (session:gsub("%%", "%%%%")))
    end
    if #before_id == 0 then before_id[1] = before end
end

function request()
    local id, session = next_id, next_session
    next_id = id < last_id and id + 1 or first_id
    next_session = (session + 1) % #before_id
    return before_id[session + 1] .. id .. after_id
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '{"requests": %d, "bytes": %d, "microseconds": %d, "p50": %d, "p99": %d, '
            .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
        summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect, errors.read, errors.write, errors.status, errors.timeout
    ))
end
