import type * as vscode from 'vscode';
import { printable } from '../protocol/printable.ts';

/** A log channel that shows control characters as escapes and indents further lines, so that no text forges an entry. */
export function printableLog(channel: vscode.LogOutputChannel): vscode.LogOutputChannel {
  const shown = (value: unknown) => {
    const text = value instanceof Error ? (value.stack ?? value.message) : value;
    return typeof text === 'string' ? printable(text).replaceAll('\n', '\n    ') : text;
  };
  return new Proxy(channel, {
    get(target, name) {
      const found = Reflect.get(target, name);
      if (typeof found !== 'function') return found;
      if (!['trace', 'debug', 'info', 'warn', 'error'].includes(String(name))) return found.bind(target);
      return (...values: unknown[]) => found.apply(target, values.map(shown));
    },
  });
}
