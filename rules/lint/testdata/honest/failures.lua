chert.on("message.received", { text = { "invoice" } }, function(ev)
  local ok, err = pcall(json.decode, ev.text)
  if not ok then
    log.warn("no JSON: " .. tostring(err))
    return
  end
  chert.mark_read(ev.chat.id)
end)

chert.on({ "action.failed", "action.done" }, function(ev)
  if ev.action.code == 2002 or ev.type == "action.done" then
    return
  end
  log.error("a call failed", { kind = ev.action.kind, trace = ev.action.trace_id })
end)

local function with(options, after)
  options.after = after
  return options
end

local quiet = { reason = "quiet" }
with(quiet, "5s")
quiet.reason = nil

local types = { "message.received" }
table.insert(types, "reaction.added")

chert.on(types, function(ev)
  chert.cancel_read(ev.chat.id)
  log.debug("options", quiet)
end)
