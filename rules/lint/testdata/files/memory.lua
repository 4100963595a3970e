local count = 0
local seen, cache = {}, {}
local memo = setmetatable({}, { __mode = "k" })
local lazily
local built = {}
local names = { "a" }
list = {}
local function remember(id)
  seen[id] = true --> "3: warning: seen is a file-level variable: .* lost on reload and not shared between workers \[CH041\].*ev.state.*kv"
end
local function build(x)
  built[x] = true
  count = count + 1 -- only while the file loads
end
for _, n in ipairs(names) do
  build(n)
end
chert.on("message.received", function(ev)
  count = count + 1 --> "3: warning: count is a file-level variable"
  remember(ev.chat.id)
  table.insert(cache, ev.id) --> "16: warning: cache is a file-level variable"
  memo[ev.id] = 1 --> "3: warning: memo is a file-level variable"
  list[#list + 1] = ev.id --> "3: warning: list is a file-level variable"
  seen.a.b = 1 --> "3: warning: seen is a file-level variable"
  lazily = lazily or { 1 }
  if not lazily then
    lazily = { 2 }
  end
  local mine = {}
  mine.x = 1
  table.insert(mine, 1)
  ev.state.n = (ev.state.n or 0) + 1
  local s = ev.state
  s.m = 1
  local function inner()
    count = 3 --> "count is a file-level variable"
  end
  pcall(inner)
  pcall(function()
    count = 4 --> "count is a file-level variable"
  end)
  log.info(built[ev.id], { lazily })
end)
