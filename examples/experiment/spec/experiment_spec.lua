describe("experiment", function()
  it("reads a sampled chat sooner", function()
    configure({ share = 1, quick = "5s", usual = "2m" })
    receive({ chat = "c1", text = "hello" })
    advance("4s")
    assert.is_unread("c1")
    advance("1s")
    assert.is_read("c1")
  end)

  it("reads the others as usual", function()
    configure({ share = 0.000001, quick = "5s", usual = "2m" })
    receive({ chat = "c1", text = "hello" })
    advance("119s")
    assert.is_unread("c1")
    advance("1s")
    assert.is_read("c1")
  end)

  it("samples about the configured share", function()
    configure({ share = 0.5, quick = "5s", usual = "2m" })
    for i = 1, 100 do
      receive({ chat = "c" .. i, text = "hello" })
    end
    local quick = 0
    for i = 1, 100 do
      if state("c" .. i).quick then
        quick = quick + 1
      end
    end
    assert.near(50, quick, 20)
  end)

  it("counts chats and messages, and logs them once a day", function()
    configure({ share = 1, tz = "Asia/Tokyo" })
    receive({ chat = "c1", text = "hello" })
    receive({ chat = "c1", text = "hello?" })
    receive({ chat = "c2", text = "hello" })
    clock("2026-01-06 08:59", "Asia/Tokyo")
    assert.not_logged("messages")
    advance("1m")
    assert.logged("quick: 3 messages in 2 chats", "info")
    assert.logged("all: 3 messages in 2 chats", "info")
  end)

  it("counts the sample separately", function()
    configure({ share = 0.000001 })
    receive({ chat = "c1", text = "hello" })
    fire("schedule", { name = "daily count" })
    assert.logged("quick: 0 messages in 0 chats")
    assert.logged("all: 1 messages in 1 chats")
  end)

  it("logs the counts even if nobody wrote", function()
    fire("schedule", { name = "daily count" })
    assert.logged("all: 0 messages in 0 chats")
  end)

  it("leaves groups alone", function()
    configure({ share = 1 })
    receive({ chat = "g1", is_group = true, text = "hello" })
    advance("1h")
    assert.is_unread("g1")
  end)
end)
