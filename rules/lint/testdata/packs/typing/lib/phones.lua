local M = {}
local noted = {}

function M.same(a, b)
  return a == b
end

function M.note(ev)
  noted[ev.id] = true --> "noted belongs to the file: .* \[CH041\]"
  M.last = ev.id --> "M belongs to the file"
  return ev.frm --> "ev has no field .frm. \[CH011\].did you mean ev.from"
end

return M
