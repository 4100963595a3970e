local M = {}

function M.tidy(s)
  return (s or "nobody"):gsub("[^%d+]", "")
end

return M
