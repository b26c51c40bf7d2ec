import * as vscode from 'vscode';
import { Interrupted, messageOf, UserError } from '../platform/errors.ts';
import type { DevicesReport } from '../protocol/devices.ts';
import { printableLine } from '../protocol/printable.ts';
import { signalOf } from './abort-signal.ts';
import { commands, settings } from './contributions.ts';
import { devicesPage, type RejectedNode } from './devices-page.ts';
import { findNodes, type NodeProgram } from './find-node.ts';
import { runUnmask } from './run-unmask.ts';
import type { TextPages } from './text-page.ts';

/** `Unmask: Show Devices`: measures the tensor engines in a separate process and opens the result. */
export function registerShowDevices(
  context: vscode.ExtensionContext,
  pages: TextPages,
  log: vscode.LogOutputChannel,
): void {
  let running: Promise<void> | null = null;
  const closed = new AbortController();

  const show = async () => {
    try {
      const text = await vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title: 'Unmask: Measuring devices', cancellable: true },
        (_, token) => measure(script(context), AbortSignal.any([signalOf(token), closed.signal]), log),
      );
      await pages.show('Unmask Devices', text);
    } catch (error) {
      showDevicesError(error, log);
    }
  };

  context.subscriptions.push(
    // Closing the window cancels the measurement.
    { dispose: () => closed.abort() },
    // Two measurements at once would slow each other down.
    vscode.commands.registerCommand(commands.showDevices, () => {
      running ??= show().finally(() => {
        running = null;
      });
      return running;
    }),
  );
}

/**
 * Measures in the first Node in which an engine works. (VS Code's own Node may forbid memory that native code needs, so
 * an engine may fail in a Node that runs.) If none works, returns the findings of the first Node, which say why.
 */
async function measure(unmask: string, signal: AbortSignal, log: vscode.LogOutputChannel): Promise<string> {
  const configured = vscode.workspace.getConfiguration().get<string>(settings.node, '');
  const rejected: RejectedNode[] = [];
  let withoutEngine: { node: NodeProgram; report: DevicesReport } | null = null;
  let failure: unknown = null;
  for await (const node of findNodes(configured)) {
    log.info(`${node.file} (Node.js ${node.version}): unmask devices`);
    try {
      const report = await runUnmask<DevicesReport>(node, unmask, ['devices'], {
        signal,
        log: (line) => log.info(line),
      });
      if (report.chosen) return devicesPage(report, node, rejected);
      withoutEngine ??= { node, report };
      rejected.push({ node, reason: 'no backend works in it' });
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      log.warn(`${node.file}: ${messageOf(error)}`);
      failure ??= error;
      rejected.push({ node, reason: messageOf(error) });
    }
  }
  if (!withoutEngine) throw failure;
  return devicesPage(
    withoutEngine.report,
    withoutEngine.node,
    rejected.filter(({ node }) => node !== withoutEngine?.node),
  );
}

/** Shows an error, except a cancellation, which the user has chosen. */
function showDevicesError(error: unknown, log: vscode.LogOutputChannel): void {
  if (error instanceof Interrupted) {
    log.info(error.message);
    return;
  }
  log.error(error instanceof UserError ? error.message : (error as Error));
  const [openSettings, openLog] = ['Open Settings', 'Show Log'];
  // Not awaited: the command is done, even if the message stays open.
  void vscode.window
    .showErrorMessage(`Unmask: ${printableLine(messageOf(error))}`, openSettings, openLog)
    .then((answer) => {
      if (answer === openSettings) void vscode.commands.executeCommand('workbench.action.openSettings', settings.node);
      if (answer === openLog) log.show();
    });
}

function script(context: vscode.ExtensionContext): string {
  return context.asAbsolutePath('dist/unmask.mjs');
}
