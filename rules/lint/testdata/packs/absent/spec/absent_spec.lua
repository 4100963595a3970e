it("keeps the chat unread", function()
  receive({ chat = "c1", from = "+14155550100", text = "x" })
  assert.is_unread("c1")
end)
