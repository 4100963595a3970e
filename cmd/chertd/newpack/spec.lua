-- The spec of NAME, in virtual time. Run it with `chertd test`; chertd also runs it
-- before an edit goes live.

describe("NAME", function()
  before_each(function()
    configure({ words = { "thanks" }, wait = "30s" })
  end)

  it("reads a chat some time after thanks", function()
    receive({ chat = "c1", text = "Many thanks!" })
    advance("29s")
    assert.is_unread("c1")
    advance("1s")
    assert.is_read("c1")
  end)

  it("leaves other messages alone", function()
    receive({ chat = "c1", text = "When can you come?" })
    advance("1h")
    assert.is_unread("c1")
  end)

  it("leaves groups alone", function()
    receive({ chat = "c1", is_group = true, text = "Many thanks!" })
    advance("1h")
    assert.is_unread("c1")
  end)
end)
