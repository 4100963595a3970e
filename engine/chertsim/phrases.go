package chertsim

// What people write, by the kind of scene it belongs to. Texts are as phones
// send them: curly quotes, ellipses of one character, emoji with modifiers,
// several languages and scripts, and now and then an invisible character.

var openers = []string{
	"hey, are you there?",
	"Hi! Quick question",
	"Good morning ☀️",
	"sorry to bother you",
	"Hola, ¿están abiertos hoy?",
	"Guten Tag, eine kurze Frage",
	"Bonjour, c’est encore moi",
	"Ciao! Avete un minuto?",
	"Olá, tudo bem?",
	"こんにちは",
	"안녕하세요",
	"Привет! Вы на месте?",
	"مرحبا، هل أنتم متاحون اليوم؟",
}

var followUps = []string{
	"it’s about the order from Tuesday",
	"the one with the blue box",
	"can we move it to 3?",
	"or 4, if that’s easier",
	"either works",
	"I’m outside btw",
	"“closed until further notice”, it says",
	"is that right?",
	"never mind, found it",
	"es para el viernes",
	"geht auch Donnerstag?",
	"c’est possible avant midi ?",
	"明日でも大丈夫です",
	"не спешу, просто скажите",
	"hello?",
	"…",
	"👍🏽",
	"thanks so much 🙏",
	"will send a picture in a sec",
	"wait, that’s the wrong one",
}

var singles = []string{
	"Can you confirm my appointment for tomorrow?",
	"What time do you close today?",
	"Running 10 min late, sorry!",
	"Is the blue one still available?",
	"ok",
	"Yes please",
	"No, that doesn’t work for us. What about next week?",
	"I still haven’t received a refund. This is the third time I’m asking.",
	"How much would it be for two?",
	"¿Me puede enviar la factura, por favor?",
	"Könnten Sie mich bitte zurückrufen?",
	"Merci beaucoup, à demain !",
	"Obrigado, já resolvi 😊",
	"STOP",
	"Call me when you can",
	"Please don’t text this number at night",
	"the address is 12 Harbor St,\n2nd floor,\nring twice",
	"お世話になっております。明日の予約を確認したいです。",
	"شكرا جزيلا",
	"हाँ, ठीक है",
	"👀",
	"❤️❤️❤️",
	"Did you get my last message?",
}

// %06d is replaced by the code.
var codeTexts = []string{
	"Your verification code is %06d",
	"%06d is your verification code. Don’t share it with anyone.",
	"Your verification code is: %06d. It expires in 10 minutes.",
	"Use passcode %06d to sign in.",
	"Tu código de verificación es %06d",
	"<#> Your login code: %06d",
	"【確認コード】%06d",
}

// Captions go with media, "" is media alone.
var captions = []string{
	"", "", "",
	"this is what arrived",
	"see the scratch on the left?",
	"is this the right form?",
	"🐶",
	"aquí está la foto",
}

var mediaTypes = []string{"image/jpeg", "image/jpeg", "image/heic", "image/png", "video/quicktime", "audio/x-caf", "application/pdf",
	"text/vcard"}

var linkTexts = []string{
	"https://example.com/orders/58213",
	"look at this https://example.com/p/oak-table?ref=msg&utm_source=share",
	"that’s the place: https://example.org/maps/@37.77,-122.41,17z",
	"https://example.net/f/3f8a-invoice.pdf here’s the invoice",
}

var groupTexts = []string{
	"who’s bringing the keys?",
	"me",
	"not me 😅",
	"we’re at gate B, not A",
	"running late, start without me",
	"what did they say?",
	"they said Thursday",
	"Thursday is fine",
	"+1",
	"can somebody answer the customer please",
	"on it",
	"@all meeting moved to 14:30",
	"genau",
	"jajaja",
	"LOL",
	"🎉🎉",
}

var operatorReplies = []string{
	"Hi, thanks for writing! Let me check.",
	"3 pm works, see you then.",
	"It’s on its way.",
	"I’ll call you in ten minutes.",
	"Sent, please check your mail.",
}
