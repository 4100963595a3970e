local M = {}
local noted = {}

function M.same(a, b)
  return a == b
end

function M.note(ev)
  noted[ev.id] = true --> "noted is a file-level variable: .* \[CH041\]"
  M.last = ev.id --> "M is a file-level variable"
  return ev.frm --> "ev has no field .frm. \[CH011\].did you mean ev.from"
end

return M
