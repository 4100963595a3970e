chert.on("message.received", { matches = [[\bкод\b]] }, function(ev) --> "1: warning: where.matches: \\b next to .к. is not a word boundary: .* \[CH026\].write words = .код. in place of matches"
  log.info("x")
end)
chert.on("message.received", { matches = { "x", [[код\w+]] }, except = { words = "code:" } }, function(ev) --> "1: warning: where.matches: \\w next to .* \[CH026\]" "1: warning: where.except.words: .code:. matches only with its punctuation \[CH027\].write .code."
  log.info("x")
end)
chert.on("message.received", function(ev)
  local a = re.match([[\bкод]], ev.text) --> "22: warning: re.match: \\b next to .к. .* \[CH026\].write \(\?:\^"
  local b = re.find("(?i)straße", ev.text) --> "21: warning: re.find: \(\?i\) does not match .ß. as .SS.: .* \[CH026\]"
  local c = re.gsub([[(?:^|\PL)код(?:\PL|$)]], "", ev.text)
  local d = ev.text:match("[а-я]+") --> "27: warning: string.match: .а. in a set: Lua patterns match bytes, .* \[CH028\].use re.match"
  local e = string.find(ev.text, "é?t") --> "34: warning: string.find: .é. before .\?.: .* \[CH028\]"
  local f = ev.text:gsub("код %d+", "") or ev.text:find("é+", 1, true) or ev.text:find("[^%s]é") or ev.text:find("%[é]") or ev.text:find("\195+")
  local g = ev.text:match("код%w+") --> "27: warning: string.match: .д. beside a class of letters: .* \[CH028\]"
  local h = ev.text:match("(%a+я)") --> "27: warning: string.match: .я. beside a class of letters: .* \[CH028\]"
  local i = ev.text:match("код: (%w+)") or ev.text:match("%%wя") or ev.text:match("%d+ч")
  log.info(tostring(g) .. tostring(h) .. tostring(i))
  log.info(tostring(a) .. tostring(b) .. c .. tostring(d) .. tostring(e) .. tostring(f))
end)

chert.on("message.received", { matches = "%d+" }, function(ev) --> "where.matches: %d is a class of Lua's patterns.*CH026.*write .d in place of %d"
  if re.match("[%w_]+", ev.text) then --> "re.match: %w is a class of Lua's patterns.*CH026"
    chert.mark_read(ev.chat.id)
  end
end)
