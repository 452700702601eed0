/** The form that begins a session. What is typed goes to the server once, and is kept nowhere. */

import { h, link, replace } from "../dom.js";
import { ways } from "../early.js";
import { user } from "../permissions.js";
import { begin, goOn } from "../session.js";

/** @type {import("../router.js").View} */
export function show(main, _params, context) {
  context.title("Sign in");
  if (user() && !user().name) return goOn();
  const forms = [
    ways.has("password") ? passwordForm() : null,
    ways.has("token") ? tokenForm(ways.has("password")) : null,
  ];
  replace(
    main,
    h(
      "div",
      { class: "sign-in card" },
      h("h1", null, "Sign in to Windsock"),
      user() ? h("p", null, "You are signed in as ", h("b", null, user().name), ". ", link([], "To the DAGs")) : null,
      forms.some(Boolean) ? forms : otherWay(),
      forms.some(Boolean) && ways.has("kerberos") ? kerberosForm() : null,
    ),
  );
  main.querySelector("input")?.focus();
}

function passwordForm() {
  const name = h("input", {
    name: "username",
    autocomplete: "username",
    required: true,
    autocapitalize: "none",
    spellcheck: "false",
  });
  const password = h("input", { name: "password", type: "password", autocomplete: "current-password", required: true });
  const fields = [field("User name", name), field("Password", password)];
  return form(
    fields,
    "Sign in",
    () => basic(name.value, password.value),
    () => {
      password.value = "";
      password.focus();
    },
  );
}

function tokenForm(folded) {
  const token = h("input", {
    name: "token",
    type: "password",
    autocomplete: "off",
    required: true,
    spellcheck: "false",
  });
  const made = form(
    [field("Token", token)],
    "Sign in with the token",
    () => `Bearer ${token.value.trim()}`,
    () => token.select(),
  );
  return folded ? h("details", null, h("summary", null, "Sign in with a token"), made) : made;
}

// The browser has a ticket or it has not: there is nothing to type in.
function kerberosForm() {
  return h("details", null, h("summary", null, "Sign in with Kerberos"), otherWay());
}

function otherWay() {
  const text = ways.has("kerberos")
    ? "Your browser signs in by itself if you have a Kerberos ticket and this server is one that it trusts. It did not: get a ticket (kinit), and try again."
    : "This server finds out by itself who you are, and does not know you. Ask whoever administers it.";
  return h(
    "div",
    { class: "stack" },
    h("p", null, text),
    form(
      [],
      "Try again",
      () => undefined,
      () => {},
    ),
  );
}

function form(fields, text, authorization, refused) {
  const error = h("p", { class: "form-error", role: "alert" });
  const button = h("button", { type: "submit", class: "button primary" }, text);
  const submit = async (event) => {
    event.preventDefault();
    button.disabled = true;
    error.textContent = "";
    try {
      await begin(authorization());
      await goOn();
    } catch (failure) {
      error.textContent = inWords(failure);
      refused();
    } finally {
      button.disabled = false;
    }
  };
  return h("form", { class: "sign-in-form", on: { submit } }, fields, error, button);
}

const field = (label, input) => h("label", { class: "field" }, h("span", null, label), input);

function inWords(failure) {
  const seconds = failure.headers?.get("Retry-After");
  if (failure.status === 401) return "That was not accepted. Please check what you have typed.";
  if (failure.status === 429 && seconds) return `Too many attempts were refused. Try again in ${seconds} s.`;
  // The reader knows that it was refused: what counts is why.
  return failure.message.replace(/^(?:Forbidden|Unauthorized): ./, (start) => start.at(-1).toUpperCase());
}

// Basic authentication, in UTF-8 (RFC 7617).
function basic(name, password) {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
