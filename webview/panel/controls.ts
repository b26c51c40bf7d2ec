import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-toolbar-button/index.js';
import type { VscodeButton } from '@vscode-elements/elements/dist/vscode-button/index.js';
import type { VscodeToolbarButton } from '@vscode-elements/elements/dist/vscode-toolbar-button/index.js';
import type { PanelCommand } from '../../src/protocol/panel.ts';
import { element } from '../element.ts';
import type { Host } from './host.ts';

/** An icon of VS Code's icon font, hidden from screen readers. */
export const icon = (name: string): HTMLElement =>
  element('span', { class: `codicon codicon-${name}`, 'aria-hidden': 'true' });

/** A button in the style of VS Code. */
export function button(
  text: string,
  name: string | null,
  action: () => void,
  { secondary = false }: { readonly secondary?: boolean } = {},
): VscodeButton {
  const made = element('vscode-button', { secondary }, text);
  if (name !== null) {
    const sign = icon(name);
    sign.slot = 'content-before';
    made.prepend(sign);
  }
  made.addEventListener('click', () => {
    if (!made.disabled) action();
  });
  return made;
}

/** A button with an icon and no text. */
export function iconButton(label: string, name: string, action: () => void): VscodeToolbarButton {
  const made = element('vscode-toolbar-button', { title: label }, icon(name));
  made.label = label;
  made.addEventListener('click', action);
  return made;
}

/** A group of buttons of which one is selected. */
export function choice(label: string): {
  readonly root: HTMLElement;
  show(names: readonly string[], chosen: number, choose: (index: number) => void): void;
} {
  const root = element('div', { class: 'choice', role: 'group', 'aria-label': label });
  return {
    root,
    show(names, chosen, choose) {
      root.hidden = names.length < 2;
      while (root.children.length > names.length) root.lastElementChild?.remove();
      for (const [index, name] of names.entries()) {
        const made = (root.children[index] as HTMLButtonElement | undefined) ?? element('button', { type: 'button' });
        if (made.textContent !== name) made.textContent = name;
        made.setAttribute('aria-pressed', String(index === chosen));
        made.onclick = () => choose(index);
        if (!made.isConnected || made.parentElement !== root) root.append(made);
      }
    },
  };
}

const commandButtons: Readonly<Record<PanelCommand, readonly [text: string, icon: string]>> = {
  tuneOnTask: ['Tune on a task', 'play'],
  runSpgEval: ['Run SPG Eval', 'beaker'],
  selectModel: ['Select model', 'hubot'],
  restartRuntime: ['Restart runtime', 'debug-restart'],
  showLog: ['Show log', 'output'],
  explainLastCompletion: ['Explain', 'question'],
};

/** An empty view: the reason, and buttons for what to do next. */
export function emptyView(sentence: string, host: Host, ...commands: readonly PanelCommand[]): HTMLElement {
  return element(
    'div',
    { class: 'empty-view' },
    element('p', {}, sentence),
    ...commands.map((command, index) => commandButton(command, host, index > 0)),
  );
}

export function commandButton(command: PanelCommand, host: Host, secondary = true): VscodeButton {
  const [text, name] = commandButtons[command];
  return button(text, name, () => host.ask({ kind: 'command', command }), { secondary });
}
