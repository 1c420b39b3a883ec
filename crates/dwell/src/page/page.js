// Adds read-outs to the figures and a timeout to try. The page is whole without it.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const SVG = "http://www.w3.org/2000/svg";
  const LONGEST = 86400;
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const exact = JSON.parse(document.getElementById("exact-curve").textContent);

  // Reads what embed.rs writes: VLQ as in source maps, and after a zero how many more zeros follow.
  function numbers(text) {
    const read = [];
    let zeros = false, bits = 0, unit = 1;
    for (const letter of text) {
      const five = LETTERS.indexOf(letter);
      bits += (five % 32) * unit;
      unit *= 32;
      if (32 <= five) continue;
      const number = bits % 2 ? -(bits - 1) / 2 : bits / 2;
      if (zeros) { for (let more = 0; more < number; more++) read.push(0); zeros = false; }
      else { read.push(number); zeros = number === 0; }
      bits = 0; unit = 1;
    }
    return read;
  }
  function sums(text) {
    let sum = 0;
    return numbers(text).map((difference) => (sum += difference));
  }
  const sessions = sums(exact.sessions);
  let total = BigInt(exact.start_us);
  const totals = numbers(exact.growth).map((rest, timeout) => {
    const joined = timeout === 0 ? 0 : sessions[timeout - 1] - sessions[timeout];
    return (total += BigInt(rest) + BigInt(joined) * BigInt(timeout * 1e6));
  });
  const milestones = exact.milestones.map((one) => ({ number: one.number, users: sums(one.users) }));
  const f1 = exact.f1 && sums(exact.f1).map((parts) => parts / 1e5);

  const count = (number) => Math.round(number).toLocaleString("en-US");
  function span(micros) {
    const seconds = Math.floor(micros / 1e6);
    const two = (large, word, small, smallWord) => small === 0 ? `${large} ${word}` : `${large} ${word} ${small} ${smallWord}`;
    if (seconds < 10 && micros % 1e6 !== 0) return `${seconds}.${Math.floor(micros % 1e6 / 1e5)} s`;
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return two(Math.floor(seconds / 60), "min", seconds % 60, "s");
    if (seconds < 172800) return two(Math.floor(seconds / 3600), "h", Math.floor(seconds % 3600 / 60), "min");
    return two(Math.floor(seconds / 86400), "d", Math.floor(seconds % 86400 / 3600), "h");
  }
  function change(before, after) {
    if (before === 0) return "–";
    const percent = 100 * (after - before) / before;
    const sign = percent < -0.05 ? "−" : 0.05 <= percent ? "+" : "";
    return `${sign}${Math.abs(percent).toFixed(1)} %`;
  }
  const at = (timeout) => ({
    sessions: sessions[timeout - 1],
    mean: sessions[timeout - 1] ? Number(totals[timeout - 1] / BigInt(sessions[timeout - 1])) : 0,
  });
  const bounded = (timeout) => Math.min(LONGEST, Math.max(1, Math.round(timeout)));

  function axis(figure) {
    const left = Number(figure.dataset.left), right = Number(figure.dataset.right);
    return {
      place: (timeout) => left + (right - left) * Math.log(timeout) / Math.log(LONGEST),
      timeout: (place) => Math.pow(LONGEST, Math.min(1, Math.max(0, (place - left) / (right - left)))),
    };
  }
  function placeOf(figure, event) {
    const box = figure.getBoundingClientRect();
    return (event.clientX - box.left) / box.width * figure.viewBox.baseVal.width;
  }
  function element(name, text, children) {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    for (const child of children || []) made.append(child);
    return made;
  }

  // What is said beside the pointer.
  const says = {
    curves(timeout) {
      const here = at(timeout);
      return [span(timeout * 1e6), `${count(here.sessions)} sessions`, `mean length ${span(here.mean)}`];
    },
    gaps(timeout) {
      const bin = exact.gaps.find(([from, to]) => from <= timeout && timeout < to) || exact.gaps[exact.gaps.length - 1];
      return bin ? [`${span(bin[0] * 1e6)} to ${span(bin[1] * 1e6)}`, `${count(bin[2])} gaps`] : [];
    },
    truth(timeout) {
      return [span(timeout * 1e6), `F1 ${f1[timeout - 1].toFixed(3)}`];
    },
  };
  const tip = element("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  for (const figure of document.querySelectorAll("svg.timed")) {
    const cursor = figure.querySelector(".cursor"), scale = axis(figure);
    // The browser's own titles would lie over the read-out.
    figure.querySelectorAll("g > title").forEach((title) => title.remove());
    figure.addEventListener("pointermove", (event) => {
      const timeout = bounded(scale.timeout(placeOf(figure, event)));
      const [head, ...rest] = says[figure.dataset.kind](timeout);
      cursor.setAttribute("x1", scale.place(timeout));
      cursor.setAttribute("x2", scale.place(timeout));
      cursor.setAttribute("visibility", "visible");
      tip.replaceChildren(element("b", head), ...rest.map((line) => element("div", line)));
      tip.hidden = false;
      const wide = document.documentElement.clientWidth;
      const left = event.clientX + 16 + tip.offsetWidth < wide ? event.clientX + 16 : event.clientX - 16 - tip.offsetWidth;
      tip.style.left = `${Math.max(4, left) + window.scrollX}px`;
      tip.style.top = `${event.clientY + 16 + window.scrollY}px`;
    });
    figure.addEventListener("pointerleave", () => {
      cursor.setAttribute("visibility", "hidden");
      tip.hidden = true;
    });
  }

  // The timeout to try: a handle on the curve of sessions.
  const figure = document.getElementById("curves"), handle = document.getElementById("candidate");
  const scale = axis(figure), card = document.getElementById("try");
  const shown = handle.dataset, top = Number(shown.top), foot = Number(shown.foot);
  function height(number) {
    const low = Number(shown.low), high = Number(shown.high);
    const lowShare = Number(shown.lowShare), highShare = Number(shown.highShare);
    let share = highShare;
    if (low < high) {
      const part = shown.logarithmic === "true"
        ? Math.log(number / low) / Math.log(high / low) : (number - low) / (high - low);
      share = lowShare + part * (highShare - lowShare);
    }
    return foot - share * (foot - top);
  }
  let tried;
  const fact = (word, value, small) => {
    const number = element("dd", value);
    if (small) number.append(" ", element("small", small));
    return element("div", "", [element("dt", word), number]);
  };
  function tryOut(timeout) {
    tried = bounded(timeout);
    const here = at(tried), from = at(exact.from_s), x = scale.place(tried);
    const line = handle.querySelector("line");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    for (const circle of handle.querySelectorAll("circle")) {
      circle.setAttribute("cx", x);
      circle.setAttribute("cy", height(here.sessions));
    }
    handle.setAttribute("aria-valuenow", tried);
    handle.setAttribute("aria-valuetext", `${span(tried * 1e6)}: ${count(here.sessions)} sessions`);
    const facts = [
      fact("Timeout to try", span(tried * 1e6), tried < 60 ? "" : `${count(tried)} s`),
      fact("Sessions", count(here.sessions), `${change(from.sessions, here.sessions)} against A`),
      fact("Mean length", span(here.mean), `${change(from.mean, here.mean)} against A`),
    ];
    for (const { number, users } of milestones.slice(0, 4)) {
      facts.push(fact(`Users with ${count(number)} sessions or more`, count(users[tried - 1]), change(users[exact.from_s - 1], users[tried - 1])));
    }
    if (f1) facts.push(fact("Agreement with the truth", f1[tried - 1].toFixed(3)));
    const list = element("dl", "", facts);
    const how = element("p", "Drag the dot on the curve, or reach it with the Tab key and use the arrow keys (with Shift for one second, Page Up and Page Down for twice and half). These numbers are exact.");
    how.className = "note";
    card.replaceChildren(list, how);
  }
  // Round steps: a second under a minute, ten under ten, a minute under an hour, then ten minutes.
  const step = (timeout) => timeout < 60 ? 1 : timeout < 600 ? 10 : timeout < 3600 ? 60 : 600;
  const up = (timeout) => (Math.floor(timeout / step(timeout)) + 1) * step(timeout);
  const down = (timeout) => (Math.ceil(timeout / step(timeout - 1)) - 1) * step(timeout - 1);
  const keys = {
    ArrowRight: (event) => event.shiftKey ? tried + 1 : up(tried),
    ArrowUp: (event) => event.shiftKey ? tried + 1 : up(tried),
    ArrowLeft: (event) => event.shiftKey ? tried - 1 : down(tried),
    ArrowDown: (event) => event.shiftKey ? tried - 1 : down(tried),
    PageUp: () => tried * 2,
    PageDown: () => tried / 2,
    Home: () => 1,
    End: () => LONGEST,
  };
  handle.addEventListener("keydown", (event) => {
    const move = keys[event.key];
    if (!move) return;
    event.preventDefault();
    tryOut(move(event));
  });
  handle.addEventListener("pointerdown", (event) => {
    handle.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    event.preventDefault();
  });
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) tryOut(scale.timeout(placeOf(figure, event)));
  });
  // It begins half way from A to B, at a round timeout.
  const middle = Math.sqrt(exact.from_s * exact.to_s);
  tryOut(Math.round(middle / step(middle)) * step(middle));

  const copy = document.getElementById("copy-csv"), copied = document.getElementById("copied");
  copy.addEventListener("click", async () => {
    const text = document.getElementById("grid-csv").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = element("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    copied.textContent = "Copied.";
  });
})();
