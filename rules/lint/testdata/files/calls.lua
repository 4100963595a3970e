chert.on("message.received", function(ev)
  chert.mark_read() --> "3: error: chert.mark_read: chat_id is missing \[CH014\].usage: chert.mark_read\(chat_id \[, options\]\)"
  chert.mark_read(ev.chat.id, {}, 1) --> "35: error: chert.mark_read got 3 arguments, it takes at most 2 \[CH014\]"
  chert.mark_read(ev.chat) --> "19: error: chert.mark_read: chat_id must be the id of a chat, got ev.chat \[CH013\].pass ev.chat.id"
  chert.mark_read(ev.message.id) --> "got ev.message.id \[CH013\].pass ev.chat.id"
  chert.mark_read(42) --> "chat_id must be a string, got the number 42 \[CH013\]"
  chert.mark_read(nil) --> "chat_id is nil \[CH013\]"
  chert.mark_read(ev.chat.id, { reson = "x" }) --> "33: error: chert.mark_read: unknown key .reson. \[CH015\].did you mean reason"
  chert.mark_read(ev.chat.id, { delay = "x" }) --> "unknown key .delay. \[CH015\].did you mean after"
  chert.mark_read(ev.chat.id, { reason = 5 }) --> "42: error: chert.mark_read: reason must be a string, got the number 5 \[CH013\]"
  chert.mark_read(ev.chat.id, { even_if_newer = "true" }) --> "even_if_newer must be true or false"
  chert.mark_read(ev.chat.id, { tz = "UTC" }) --> "tz is the time zone of at"
  chert.hold(ev.chat.id, "1 day ago") --> "error: chert.hold: duration: .*1 day ago.* \[CH013\]"
  chert.hold(ev.chat.id, true) --> "duration must be a duration: seconds, or a string like"
  chert.hold(ev.chat.id, 0) --> "chert.hold: duration must be greater than 0"
  chert.hold(ev.chat.id) --> "chert.hold: duration is missing \[CH014\]"
  chert.postpone(ev.chat.id) --> "chert.postpone: options is missing \[CH014\]"
  chert.postpone(ev.chat.id, { reason = "x" }) --> "chert.postpone: after or at is missing.* \[CH013\]"
  chert.postpone(ev.chat.id, { after = "1h", at = "09:00" }) --> "chert.postpone: after and at exclude each other"
  chert.postpone(ev.chat.id, { after = "1h", tz = "UTC" }) --> "tz is the time zone of at"
  chert.postpone(ev.chat.id, { at = "9 am" }) --> "chert.postpone: at: "
  chert.postpone(ev.chat.id, { after = "soon" }) --> "chert.postpone: after: "
  chert.postpone(ev.chat.id, { afer = "1h" }) --> "unknown key .afer. \[CH015\].did you mean after"
  chert.set_timer("x") --> "chert.set_timer: duration is missing"
  if chert.within("Mon-Fri 9-17") then --> "chert.within: window: .* \[CH013\]"
    return
  end
  if chert.within("Mon-Fri", "Europe/Berln") then --> "chert.within: tz: .*Europe/Berlin"
    return
  end
  kv.set("k", 1, { ttl = "soon" }) --> "kv.set: ttl: .*soon"
  kv.set("k", 1, { tll = "1d" }) --> "unknown key .tll. \[CH015\].did you mean ttl"
  kv.incr("k", "2") --> "kv.incr: n must be a number, got the string"
  kv.list("", 5000) --> "limit must be a whole number"
  local s = re.match("(", ev.text) --> "re.match: pattern .* \[CH013\]"
  local u = re.find([[\d+]], 5) --> "re.find: s must be a string, got the number 5"
  log.info(42, "x") --> "log.info: fields must be a table, got the string"
  local date = chert.date("%H", "now") --> "chert.date: time must be a number"
  chert.on("message.received", function(ev2) --> "chert.on can only be called while the file loads, not in a handler \[CH016\]"
    log.info(ev2)
  end)
  return s, u, date, json.encode({}), json.decode(ev.text), chert.normalize(ev.text)
end)
-----
chert.on("message.received", function(ev)
  ev.text:find() --> "string.find takes 2 to 4 arguments, got 1 argument \[CH014\]"
  ev.text:lower("x") --> "17: warning: string.lower takes 1 argument, got 2 arguments \[CH014\].Lua drops"
  string.format() --> "string.format takes at least 1 argument"
  local t = {}
  table.insert(t, 1, 2, 3) --> "error: table.insert takes 2 to 3 arguments"
  ev.text:find("[abc") --> "string.find: malformed pattern .*a \[ is not closed \[CH013\]"
  ev.text:match("(%d+") --> "a \( is not closed"
  ev.text:gsub("%", "x") --> "it ends with %"
  ev.text:find("(", 1, true)
  ev.text:find("[]]")
  ev.text:find("[^]%]]+()")
  ev.text.find("code") --> "11: error: ev.text.find was called with a dot \[CH017\].write ev.text:find"
  string.find(ev.text, "x")
  ev.text.find(ev.text, "x")
  string.find(unpack(t))
  t.insert("x")
end)
-----
-- Options and arguments that can't be known are not judged.
local opts = { after = "10s" }
opts.more = 1
local fixed = { reason = "r", whi = 1 } --> "CH015.*reason"
local WAIT = "90 parsecs"
chert.rule({
  name = "n",
  on = "message.received",
  run = function(ev)
    local id = ev.chat.id
    chert.mark_read(id, opts)
    chert.mark_read(id, fixed)
    chert.mark_read(id, { after = WAIT }) --> "35: error: chert.mark_read: after: .*90 parsecs"
    chert.mark_read(id, { after = ev.state.wait, [ev.id] = 1 })
    chert.mark_read(ev.payload, ev.state)
    chert.mark_read(kv.get("x"))
    chert.cancel_read(unpack(ev.state))
  end,
})
-----
-- A delayed read needs a rule with a name.
local function later(id)
  chert.mark_read(id, { after = "5s" }) --> "3: error: a delayed read needs a rule with a name, by which a later one replaces it \[CH044\]"
end
local function both(id)
  chert.mark_read(id, { after = "5s" })
end
chert.on("message.received", function(ev)
  later(ev.chat.id)
  both(ev.chat.id)
  chert.mark_read(ev.chat.id, { at = "Mon 09:00" }) --> "CH044"
  chert.mark_read(ev.chat.id, { after = nil })
end)
chert.rule({
  name = "n",
  on = "message.received",
  run = function(ev)
    both(ev.chat.id)
    chert.mark_read(ev.chat.id, { after = "5s", at = "Mon 09:00" }) --> "after and at exclude each other"
  end,
})
chert.rule({
  on = "message.received",
  run = function(ev)
    chert.mark_read(ev.chat.id, { after = "5s" }) --> "CH044"
  end,
})
-----
chert.on("message.received", function(ev)
  if ev.chat.is_group() then --> "6: error: ev.chat.is_group is no function: it is a boolean \[CH011\].write it without brackets"
    log("x") --> "5: error: log is no function: it is a table of them \[CH011\].did you mean log.info"
  end
  for _, h in ev.chat.handles do --> "15: error: for … in needs an iterator, and ev.chat.handles is a list \[CH013\].*ipairs"
    log.info(h)
  end
  for _, h in { 1, 2 } do --> "15: error: for … in needs an iterator, and this is a table"
    log.info(h)
  end
  for k, v in next, { 1, 2 } do
    log.info(k, { v = v })
  end
  for w in ev.text:gmatch("%a+") do
    log.info(w)
  end
  if ev.text:startswith("x") or ev.text.contains("y") then --> "texts have no function startswith .*write s:sub" "texts have no function contains .*s:find\(part, 1, true\)"
    chert.mark_read(ev.chat.id)
  end
  log.info(ev.message.parts[1].kind) --> "ev.message.parts\[\] has no field .kind. .*it has attachment_id, mime_type, type, value"
  local f = ev.payload or ev.state.f
  f()
  ev.state.f()
end)
