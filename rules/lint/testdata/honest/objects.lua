local Score = {}
Score.__index = Score

function Score.new(text)
  return setmetatable({ text = text, points = 0 }, Score)
end

function Score:add(pattern, points)
  if self.text:find(pattern) then
    self.points = self.points + points
  end
  return self
end

chert.on("message.received", function(ev)
  local score = Score.new(ev.text:lower()):add("free", 2):add("%d%d%d%%", 1):add("[!?]+", 1)
  if score.points > 2 then
    chert.keep_unread(ev.chat.id, { reason = ("spam, %d points"):format(score.points) })
  end
end)
