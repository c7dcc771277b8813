// The screens of an end user. Each is a section of the page, and one of them is shown. The words are in the page, in the
// reader's language; the service decides everything, and this script shows what it said.
"use strict";

const language = document.documentElement.lang;
/** For numbers and times: the reader's own variety of the page's language. */
const locale = navigator.languages.find((tag) => tag.split("-")[0] === language) ?? language;
const byId = (id) => document.getElementById(id);

/** Shows one section. Its heading gets the focus, so that it is read out. */
function show(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  const heading = byId(name).querySelector("h1");
  document.title = heading.textContent;
  heading.focus();
}

/** Sends fields and tells what came back in one word: the `status` of the answer, or `offline` without one. */
async function ask(path, fields) {
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout?.(30_000),
    });
    const body = await response.json().catch(() => ({}));
    // What stands between us and the service may answer 503 or 429 in words of its own.
    const word = body.status ?? { 429: "too_many_requests", 503: "unavailable" }[response.status] ?? "broken";
    return { word, body, wait: Number(response.headers.get("Retry-After")) || 30 };
  } catch {
    return { word: "offline" };
  }
}

/** A length of time in the reader's words. */
function span(seconds) {
  const [number, unit] =
    seconds < 90 ? [seconds, "second"]
    : seconds < 90 * 60 ? [Math.ceil(seconds / 60), "minute"]
    : [Math.ceil(seconds / 3600), "hour"];
  return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(number);
}

/** A time in the reader's words and zone; with its day when that is not today. */
function moment(text) {
  const time = new Date(text);
  const day = time.toDateString() === new Date().toDateString() ? {} : { weekday: "long" };
  return new Intl.DateTimeFormat(locale, { ...day, hour: "numeric", minute: "2-digit" }).format(time);
}

/** The sentence for a word, or nothing. */
function sentence(word, wait) {
  const known = byId("words").content.querySelector(`[data-word="${CSS.escape(word)}"]`);
  const copy = known?.cloneNode(true);
  if (copy && wait) copy.textContent = copy.textContent.replace("{wait}", () => span(wait));
  return copy;
}

/** Says why it did not work, and moves the focus there. Every reason is shown; one that we do not know gets a general sentence. */
function explain(region, { word, body, wait }) {
  const words = word === "wrong_password" ? body.reasons ?? [word] : word === "payload_too_large" ? ["too_long"] : [word];
  const general = word === "wrong_password" ? word : "broken";
  region.replaceChildren(...new Set(words.map((each) => sentence(each, wait) ?? sentence(general))));
  region.focus();
  return words;
}

/** Sends what `fields()` gives when the form is submitted, once at a time, and hands over what came back. */
function onSubmit(form, path, fields, answered) {
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    byId("send").setAttribute("aria-disabled", "true");
    for (const input of form.querySelectorAll("input")) input.removeAttribute("aria-invalid");
    byId("problem").replaceChildren();
    const answer = await ask(path, fields());
    busy = false;
    byId("send").removeAttribute("aria-disabled");
    answered(answer);
  });
}

/** Takes the link's secret out of the address bar, the history and every later Referer (bar F20). */
function takeLink() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (location.hash || location.search) history.replaceState(null, "", location.pathname);
  return { token: (link.get("token") ?? "").trim(), email: link.get("email") ?? "" };
}

function resetScreen() {
  const { token, email } = takeLink();
  const form = byId("form");
  const [password, confirmation] = [byId("password"), byId("confirmation")];

  // For password managers, which file a password under a name. We know the name only if the link says it.
  if (/^[^\s@]+@[^\s@]+$/.test(email) && email.length <= 254) {
    byId("account").replaceWith(byId("account").content);
    byId("username").value = email;
  }

  function reveal(visible) {
    byId("toggle").setAttribute("aria-pressed", String(visible));
    for (const input of [password, confirmation]) input.type = visible ? "text" : "password";
  }
  byId("toggle").addEventListener("click", () => reveal(password.type === "password"));

  function over(section) {
    form.remove(); // What was typed is gone, and password managers see that it was taken.
    show(section);
  }

  const fields = () => {
    reveal(false); // Or browsers would remember the passwords as ordinary text.
    return { token, password: password.value, password_confirmation: confirmation.value };
  };
  onSubmit(form, "reset", fields, (answer) => {
    if (answer.word === "password_reset") return over("done");
    if (answer.word === "wrong_token") return over("dead");
    const words = explain(byId("problem"), answer);
    if (answer.word !== "wrong_password") return;
    if (words.some((word) => word !== "mismatch")) password.setAttribute("aria-invalid", "true");
    if (words.includes("mismatch")) confirmation.setAttribute("aria-invalid", "true");
  });

  async function check() {
    show("checking");
    const answer = await ask("reset/check", { token });
    if (answer.word === "wrong_token") return show("dead");
    if (answer.word !== "token_valid") {
      show("failed");
      return explain(byId("trouble"), answer);
    }
    byId("until").textContent = byId("until").textContent.replace("{until}", () => moment(answer.body.expires_at));
    show("choose");
  }
  byId("again").addEventListener("click", check);

  // A second link opened in this tab changes the fragment only: begin anew with it.
  addEventListener("hashchange", () => location.reload());
  if (token) check();
  else show("missing");
}

function forgotScreen() {
  const email = byId("email");
  onSubmit(byId("form"), "forgot", () => ({ email: email.value.trim() }), (answer) => {
    if (answer.word === "reminder_sent") {
      byId("sent-to").textContent = byId("sent-to").textContent.replace("{address}", () => email.value.trim());
      return show("sent");
    }
    explain(byId("problem"), answer);
    if (answer.word === "wrong_user") email.setAttribute("aria-invalid", "true");
  });
  show("ask");
}

if (byId("ask")) forgotScreen();
else resetScreen();
