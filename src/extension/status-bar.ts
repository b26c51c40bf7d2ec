import * as vscode from 'vscode';
import { count } from '../platform/amounts.ts';
import { defaultSettings } from '../protocol/default-settings.ts';
import { commands, settings } from './contributions.ts';
import type { Runtime, RuntimeState } from './runtime.ts';

/** The status bar item for completions: an icon for the state, and details in the tooltip. */
export function registerStatusBar(context: vscode.ExtensionContext, runtime: Runtime): void {
  const item = vscode.window.createStatusBarItem('unmask.status', vscode.StatusBarAlignment.Right, 100);
  item.name = 'Unmask';
  item.command = commands.showMenu;
  const show = () => {
    const configuration = vscode.workspace.getConfiguration();
    const enabled = configuration.get<boolean>(settings.enabled, defaultSettings.completions.enabled);
    const { icon, summary } = describeState(runtime.state, enabled);
    item.text = `$(${icon}) Unmask`;
    item.tooltip = tooltip(runtime.state, enabled, summary);
    item.accessibilityInformation = { label: `Unmask: ${summary}`, role: 'button' };
    item.show();
  };
  context.subscriptions.push(
    item,
    runtime.onDidChangeState(show),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('unmask')) show();
    }),
  );
  show();
}

/** Describes the state with an icon and a sentence. */
export function describeState(
  state: RuntimeState,
  enabled: boolean,
): { readonly icon: string; readonly summary: string } {
  if (state.kind === 'failed') return { icon: 'error', summary: state.reason };
  if (state.kind === 'restarting') return { icon: 'warning', summary: state.reason };
  if (state.kind !== 'running') return { icon: 'loading~spin', summary: state.reason };
  if (state.status?.state === 'failed') return { icon: 'error', summary: state.status.problem ?? 'The model failed.' };
  if (state.status?.state === 'evicted')
    return { icon: 'debug-pause', summary: state.status.problem ?? 'The model was unloaded to free memory.' };
  if (!enabled) return { icon: 'circle-slash', summary: 'Completions are off.' };
  if (state.status?.state === 'loading') return { icon: 'loading~spin', summary: 'Loading the model.' };
  return { icon: 'sparkle', summary: 'Completions are on.' };
}

function tooltip(state: RuntimeState, enabled: boolean, summary: string): vscode.MarkdownString {
  const status = state.kind === 'running' ? state.status : null;
  const text = new vscode.MarkdownString('', true);
  text.isTrusted = { enabledCommands: Object.values(commands) };
  text.appendMarkdown('**Unmask**\n\n').appendText(`${summary} Click for a menu.\n\n`);
  if (status) {
    const { p50, p95, requests } = status.latency;
    text.appendText(
      `Model: ${status.model}${status.device ? `, ${status.device.engine} on ${status.device.device}` : ''}\n\n`,
    );
    if (p50 !== null && p95 !== null)
      text.appendText(
        `Last ${count(requests, 'completion')}: half within ${p50.toFixed(0)} ms, 95 % within ${p95.toFixed(0)} ms\n\n`,
      );
  }
  const link = (title: string, command: string, argument?: unknown) =>
    `[${title}](command:${command}${argument === undefined ? '' : `?${encodeURIComponent(JSON.stringify(argument))}`})`;
  text.appendMarkdown(
    [
      link(enabled ? 'Turn off' : 'Turn on', commands.toggleCompletions),
      link('Snooze 5 min', commands.snoozeCompletions, [5]),
      link('1 h', commands.snoozeCompletions, [60]),
      link('Toggle language', commands.toggleLanguage),
      link('Explain last', commands.explainLastCompletion),
      link('Select model', commands.selectModel),
      link('Restart', commands.restartRuntime),
    ].join(' · '),
  );
  return text;
}
