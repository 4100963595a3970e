local d = data.load("lists")
return {
  vips = d.vips,
  spam = d.spam, --> "12: warning: data.load\(.lists.\) has no .spam.: it is nil here, .* \[CH018\]\nit has hours, off, people, rows, vips; if it may be missing, write .\(d.spam or nil\)."
}
