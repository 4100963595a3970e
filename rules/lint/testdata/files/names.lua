chert.on("message.received", function(ev)
  if tonumbr(ev.text) then --> "6: error: tonumbr is not defined \[CH010\].did you mean tonumber"
    chert.mark_reed(ev.chat.id) --> "11: error: chert.mark_reed does not exist \[CH011\].did you mean chert.mark_read\?"
  end
  local chat = ev.chat
  log.info(chat.ID) --> "17: error: ev.chat has no field .ID. \[CH011\].did you mean ev.chat.id"
  log.info(ev.sender) --> "15: error: ev has no field .sender. \[CH011\].did you mean ev.from"
  print(os.time()) --> "error: os is not defined \[CH010\].rules have no os"
  for _, h in ipairs(ev.chat.handles) do
    log.info(h.number) --> "16: error: ev.chat.handles\[\] has no field .number."
  end
  for _, p in ipairs(ev.message.media) do
    log.info(p.mimetype) --> "error: ev.message.parts\[\] has no field .mimetype. .*did you mean"
  end
  if string.startswith and ev.state.known and ev.raw.anything and ev.payload.x then
    local s = string.startswith(ev.text, "x") --> "error: string.startswith does not exist \[CH011\]"
    return s
  end
  if ev.text:fnid("x") or ("x"):foo() then --> "error: strings have no function fnid \[CH011\].did you mean :find" "strings have no function foo"
    return
  end
  local m = re.mtach([[\d]], ev.text) --> "error: re.mtach does not exist \[CH011\].did you mean re.match"
  chert:mark_read(ev.chat.id) --> "error: chert.mark_read was called with a colon \[CH017\].write chert.mark_read"
  return m, kv.get("x").y.z
end)
-----
counter = 0
function helper(x)
  counter = x
end
helper(1)
chert.on("message.received", function(ev)
  counter = counter + 1 --> "3: error: counter is global \[CH040\].write .local counter.; to remember"
  seen = ev.id --> "error: seen is global \[CH040\]"
  ev.text = "x" --> "error: ev.text can't be assigned: the event is read-only \[CH019\]"
  ev.chat.name = "x" --> "error: ev.chat.name can't be assigned"
  ev.state = { a = 1 }
  ev.state.b = 2
  config.x = 1 --> "error: config.x can't be assigned"
  string.trim = nil --> "error: string can't be changed: it is a library \[CH019\]"
  _G.other = 1 --> "error: other is global \[CH040\]"
end)
-----
-- What is found while loading is told once, with its column.
local x = undefned_thing --> "11: error: undefned_thing is not defined \[CH010\]"
chert.on("message.received", function(ev)
  log.info(ev.id, { x = x })
end)
-----
chert.on("message.received", { is_groop = true }, function(ev) --> "1: error: where has no key .is_groop. \[CH003\].*is_group"
  log.info(ev.id)
end)
  chert.rule({ --> "3: error: .* \[CH003\]"
  name = "n",
  run = function(ev)
    log.info(ev.id)
  end,
})
-----
local t = nil
print(t.x) --> "error: attempt to index a nil value \(t\).* \[CH002\]"
-----
-- Names in a pack that reaches globals by other means can't be judged.
for _, name in ipairs({ "a", "b" }) do
  _G[name] = function(ev)
    log.info(ev.id)
  end
end
chert.on("message.received", a)
-----
local function helper(event)
  return event.txt --> "error: ev has no field .txt. \[CH011\].did you mean ev.text"
end
local function deep(c)
  return c.idd --> "ev.chat has no field .idd."
end
chert.rule({
  name = "n",
  on = "message.received",
  run = function(ev)
    if helper(ev) then
      deep(ev.chat)
    end
  end,
})
-----
-- A helper that is called with other things too may take anything.
local function anything(event)
  return event.txt
end
anything({ txt = 1 })
chert.on("message.received", function(ev)
  anything(ev)
end)

chert.on("message.received", function(ev)
  if ev.text.length > 3 then --> "strings have no field .length. \[CH011\].*write #ev.text"
    chert.mark_read(ev.chat.id)
  end
end)
