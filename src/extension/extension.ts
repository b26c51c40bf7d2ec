import * as vscode from 'vscode';
import { registerShowDevices } from './show-devices.ts';

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Unmask', { log: true });
  context.subscriptions.push(log);

  registerShowDevices(context, log);
}
