// How services show what they are told, roughly. Every text of a document becomes a text node, and nothing else: no
// markup, no link that can be followed, no picture, no style but a colour that is one.

export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((one) => one !== null && one !== undefined && one !== "").map(asNode));
  return made;
}

const asNode = (one) => (one instanceof Node ? one : document.createTextNode(asText(one)));
const asText = (one) => (typeof one === "string" ? one : one === undefined ? "" : JSON.stringify(one));
const list = (one) => (Array.isArray(one) ? one : []);
const object = (one) => (one !== null && typeof one === "object" && !Array.isArray(one) ? one : {});
const entries = (one) => Object.entries(object(one));
const line = (...children) => element("div", "line", ...children);
const link = (text, target) => {
  const made = element("span", "link", text || target);
  made.title = asText(target);
  return made;
};

function facts(pairs) {
  const made = element("dl", "facts");
  for (const [name, value] of pairs) {
    if (value === "" || value === null || value === undefined) continue;
    made.append(element("dt", "", name), element("dd", "", value instanceof Node ? value : asText(value)));
  }
  return made;
}

// Slack: https://docs.slack.dev/reference/block-kit

const plain = (text) => asText(text ?? "").replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");

function mrkdwn(text) {
  const parts = element("span", "");
  const token = /<([^<>|]*)(?:\|([^<>]*))?>|\*([^*\n]+)\*|`([^`\n]+)`/g;
  let at = 0;
  for (const found of text.matchAll(token)) {
    parts.append(plain(text.slice(at, found.index)));
    at = found.index + found[0].length;
    const [whole, target, label, bold, code] = found;
    if (bold !== undefined) parts.append(element("span", "bold", plain(bold)));
    else if (code !== undefined) parts.append(element("span", "code", plain(code)));
    else if (/^!date\^/.test(target)) parts.append(plain(label ?? ""));
    else if (/^[@#!]/.test(target)) parts.append(element("span", "badge", plain(label ?? target)));
    else if (/^(https?:|mailto:)/.test(target)) parts.append(link(plain(label ?? target), plain(target)));
    else parts.append(plain(whole));
  }
  parts.append(plain(text.slice(at)));
  return parts;
}

const slackText = (one) =>
  object(one).type === "mrkdwn" ? mrkdwn(asText(one.text ?? "")) : plain(object(one).text);

function slackBlock(block) {
  const { type } = object(block);
  if (type === "header") return element("div", "block line large", slackText(block.text));
  if (type === "divider") return element("hr", "block");
  if (type === "context") {
    return element("div", "block line small faint", ...list(block.elements).flatMap((one) => [slackText(one), " "]));
  }
  if (type === "section") {
    const fields = list(block.fields).map((one) => line(slackText(one)));
    const text = block.text ? line(slackText(block.text)) : null;
    return element("div", "block", text, fields.length ? element("div", "fields", ...fields) : null);
  }
  return element("div", "block line code", block);
}

function slack(message) {
  const made = element("div", "", element("div", "app", "Gatecrier ", element("span", "faint small", "APP")));
  const blocks = list(message.blocks);
  if (!blocks.length && message.text) made.append(line(message.mrkdwn === false ? plain(message.text) : mrkdwn(message.text)));
  made.append(...blocks.map(slackBlock));
  for (const one of list(message.attachments)) {
    const text = one.text ? line(mrkdwn(asText(one.text))) : null;
    const attachment = element("div", "attachment", text, ...list(one.blocks).map(slackBlock));
    if (/^#[0-9a-f]{6}$/i.test(one.color ?? "")) attachment.style.borderLeftColor = one.color;
    made.append(attachment);
  }
  return element("div", "message", element("div", "face", "G"), made);
}

// Adaptive Cards: https://adaptivecards.io/explorer/

const COLOURS = { attention: "attention", warning: "alarm", good: "well" };
const cardClasses = (one) =>
  [
    /bolder/i.test(one.weight ?? "") ? "bold" : "",
    /large/i.test(one.size ?? "") ? "large" : /small/i.test(one.size ?? "") ? "small" : "",
    /monospace/i.test(one.fontType ?? "") ? "code" : "",
    one.isSubtle === true ? "faint" : "",
    COLOURS[asText(one.color ?? "").toLowerCase()] ?? "",
  ].filter(Boolean).join(" ");

function cardItem(item) {
  const one = object(item);
  const made = element("div", `block line ${one.separator === true ? "separator" : ""}`);
  if (one.type === "TextBlock") made.append(element("span", cardClasses(one), one.text ?? ""));
  else if (one.type === "RichTextBlock") {
    for (const run of list(one.inlines)) made.append(element("span", cardClasses(object(run)), object(run).text ?? run));
  } else if (one.type === "FactSet") made.append(facts(list(one.facts).map((fact) => [fact.title, fact.value])));
  else if (one.type === "Container") made.append(...list(one.items).map(cardItem));
  else if (one.type === "ColumnSet") {
    const columns = list(one.columns).map((column) => element("div", "", ...list(column.items).map(cardItem)));
    made.append(element("div", "columns", ...columns));
  } else if (one.type === "ActionSet") made.append(...list(one.actions).map(cardAction));
  else if (one.type === "Image") made.append(element("span", "faint", "[picture: ", one.altText ?? "", "]"));
  else made.append(element("span", "code", one));
  return made;
}

const cardAction = (one) => element("span", "chip", link(object(one).title ?? "", object(one).url ?? ""), " ");

function card(message) {
  const cards = message.type === "AdaptiveCard" ? [message] : list(message.attachments).map((one) => object(one.content));
  return element("div", "", ...cards.map((one) => {
    const actions = list(one.actions).map(cardAction);
    return element("div", "card", ...list(one.body).map(cardItem), actions.length ? element("div", "separator", ...actions) : null);
  }));
}

function mail(message) {
  const head = facts([["Subject", element("span", "bold", message.subject ?? "")], ["Date", message.time], ["Thread", message.thread]]);
  return element("article", "mail", element("div", "head", head), element("div", "text", message.text ?? ""));
}

function pagerduty(event) {
  const payload = object(event.payload);
  const links = list(event.links).map((one) => line(link(one.text ?? "", one.href ?? "")));
  return element("article", `pager ${level(payload.severity)}`,
    element("div", "large", payload.summary ?? ""),
    line(badge(payload.severity), " ", event.event_action ?? "trigger", " "),
    facts([["Source", payload.source], ["Component", payload.component], ["Group", payload.group], ["Class", payload.class],
      ["When", payload.timestamp], ["Key", event.dedup_key], ["Client", event.client]]),
    facts(entries(payload.custom_details)), ...links);
}

const LEVELS = new Set(["critical", "error", "high", "warning", "medium", "low", "info"]);
const level = (severity) => (LEVELS.has(severity) ? severity : "");
const badge = (severity) => element("span", `badge ${level(severity)}`, asText(severity ?? "") || "no severity");

// A document of Jira's (ADF): its blocks, each a paragraph.
const adf = (block) => (typeof object(block).text === "string" ? block.text : list(object(block).content).map(adf).join("\n"));

function jira(ticket) {
  const told = object(ticket.fields ?? ticket);
  return element("article", "ticket",
    element("div", "large", told.summary ?? ""),
    line(told.severity ? badge(told.severity) : object(told.priority).name ?? "", told.is_over ? " over" : ""),
    element("div", "verbatim", told.text ?? (typeof told.description === "string" ? told.description : adf(told.description))),
    ...entries(told.links).map(([name, url]) => line(link(name, url))),
    told.key ? facts([["Found again by", told.key]]) : null);
}

function alerts(told) {
  return element("div", "", ...(Array.isArray(told) ? told : [told]).map((alert) => {
    const labels = entries(object(alert).labels).map(([name, value]) => element("span", "chip", `${name}="${asText(value)}"`));
    return element("article", "ticket block",
      element("div", "large", object(object(alert).annotations).summary ?? ""), element("div", "chips", ...labels),
      facts([["Starts", alert.startsAt], ["Ends", alert.endsAt]]), facts(entries(alert.annotations)));
  }));
}

// Keys are the names of kinds; of every other kind the members are shown.
export const LOOKS = { slack, teams: card, smtp: mail, pagerduty, jira, alertmanager: alerts };

function members(value, depth = 0) {
  if (depth > 5 || value === null || typeof value !== "object") return line(asText(value));
  const pairs = Object.entries(value).map(([name, one]) => [name, members(one, depth + 1)]);
  return pairs.length ? facts(pairs) : line(asText(value));
}

export function drawn(kind, values) {
  const look = Object.hasOwn(LOOKS, kind) ? LOOKS[kind] : null;
  return values.map((value) => {
    if (look === null || value === null || typeof value !== "object") return members(value);
    try {
      return look(value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // the document has other shapes than this service's
      return members(value);
    }
  });
}
