local function run(ev) end

chert.on("message.received", { form = "+14155551234" }, run) --> "where has no key \"form\"\n  hint: did you mean \"from\"\?"
chert.on("message.received", { text = {} }, run) --> "where.text is an empty list"
chert.on("message.received", { text = "" }, run) --> "where.text is the empty string: it would match every event"
chert.on("message.received", { is_group = "no" }, run) --> "where.is_group: expected true or false, got the string \"no\""
chert.on("message.received", { from = 14155551234 }, run) --> "got the number 14155551234\n  hint: write it in quotes: \"14155551234\""
chert.on("message.received", { matches = "(code" }, run) --> "where.matches: .* is not an RE2 pattern: missing closing \)"
chert.on("message.received", { direction = "outbuond" }, run) --> "did you mean \"outbound\"\?"
chert.on("message.received", { txet = "a", words = "" }, run) --> "where.words is the empty string|where has no key \"txet\"\n  hint: did you mean \"text\"\?"
chert.on("message.received", { except = { form = "x" } }, run) --> "where.except has no key \"form\""
chert.on("message.recieved", run)
chert.on("message_received", run) --> "there is no \"message_received\"\n  hint: did you mean \"message.received\"\?"
chert.on("schedule", run) --> "\"schedule\" can't be subscribed to\n  hint: use chert.every"
chert.on("timer:", run) --> "\"timer:\" lacks the timer's name"
chert.on("action.faild", run) --> "there is no \"action.faild\"\n  hint: did you mean \"action.failed\"\?"
chert.on("message.*", run) --> "\"\*\" stands alone"
