-- Runs programs under Lua 5.1 and gives back what they wrote. Standard input and
-- output are the same: a length in bytes on a line, then as many bytes, for each
-- program.

local function number(n)
  if n ~= n then
    return "nan"
  end
  return n == 0 and "0" or string.format("%.14g", n)
end

local function show(v)
  if type(v) == "number" then
    return number(v)
  elseif type(v) == "string" then
    return "'" .. v:gsub("[^\32-\126]", function(c) return "\\" .. c:byte() end) .. "'"
  elseif type(v) == "table" or type(v) == "function" then
    return type(v)
  end
  return tostring(v)
end

-- Messages of Lua's own are worded differently; where they come from is not.
local function problem(e)
  if type(e) ~= "string" then
    return show(e)
  end
  local place, rest = e:match("^(p%.lua:%d+:)(.*)$")
  rest = rest or e
  if rest:find("!", 1, true) or tonumber(rest) then
    return show(e)
  end
  return place or "somewhere"
end

local function environment(out)
  local calls = 0
  local env = {}
  for _, name in ipairs({ "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal", "rawget", "rawset",
    "select", "setmetatable", "string", "table", "tonumber", "tostring", "type", "unpack", "xpcall", "math", "assert" }) do
    env[name] = _G[name]
  end
  function env.emit(...)
    local parts = {}
    for i = 1, select("#", ...) do
      parts[i] = show((select(i, ...)))
    end
    out[#out + 1] = table.concat(parts, " ")
  end
  function env.problem(e)
    return problem(e)
  end
  -- Whether the program has called enough for now.
  function env.tired(reset)
    calls = reset and 0 or calls + 1
    return calls > 12
  end
  return setmetatable(env, { __index = function(_, name) error(name .. " is not defined", 2) end })
end

local function run(source)
  local out = {}
  local f, err = loadstring(source, "=p.lua")
  if not f then
    return "syntax: " .. err
  end
  setfenv(f, environment(out))
  debug.sethook(function() error("too long", 0) end, "", 3000000)
  local ok, e = pcall(f)
  debug.sethook()
  out[#out + 1] = ok and "end" or "failed " .. problem(e)
  return table.concat(out, "\n")
end

while true do
  local n = io.read("*n")
  if not n then
    break
  end
  io.read(1)
  local answer = run(io.read(n) or "")
  io.write(#answer, "\n", answer)
end
