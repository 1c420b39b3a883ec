// Elements in few words. Text is always text: no markup is made of what anybody said.

type Child = Node | string

export function el<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Record<string, string | boolean> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name)
  set(made, attributes)
  made.append(...children)
  return made
}

export function svg(name: string, attributes: Record<string, string | boolean> = {}, ...children: Child[]): SVGElement {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name)
  set(made, attributes)
  made.append(...children)
  return made
}

function set(made: Element, attributes: Record<string, string | boolean>): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '')
    else if (value !== false) made.setAttribute(name, value)
  }
}

/** Changes a text only where it is another, so that screen readers are not told the same twice. */
export function say(at: Node, text: string): void {
  if (at.textContent !== text) at.textContent = text
}
