import * as vscode from 'vscode';
import {
  type CompletionFrame,
  type CompletionTrace,
  completionDecided,
  completionFrame,
  type WatchCompletions,
  watchCompletions,
} from '../../protocol/runtime.ts';
import { commands, panelEditor, views } from '../contributions.ts';
import { fillWebview } from '../fill-webview.ts';
import { pickRun } from '../jobs/pick-run.ts';
import { withErrorsShown } from '../show-error.ts';
import { LastEditor } from './last-editor.ts';
import { type PanelContainer, type PanelParts, PanelSession } from './panel-session.ts';

/** The panel with denoising and training curves: the same page as a view in the panel area and as an editor tab. */
export function registerPanel(context: vscode.ExtensionContext, services: Omit<PanelParts, 'lastEditor'>): void {
  const lastEditor = new LastEditor();
  const parts = { ...services, lastEditor };
  const dist = vscode.Uri.joinPath(context.extensionUri, 'dist');
  const sessions = new Set<PanelSession>();
  let inView: PanelSession | null = null;
  /** The run that the page in the panel area shows once it is created. */
  let showInView: string | null = null;

  const fill = (webview: vscode.Webview, view: string | null = null) =>
    fillWebview(webview, dist, 'panel', 'Unmask', view);
  const watcher = completionWatcher(parts, sessions);
  const open = (
    frame: PanelContainer,
    onDidChangeVisibility: vscode.Event<unknown>,
    onDidDispose: vscode.Event<void>,
  ) => {
    const session = new PanelSession(frame, parts);
    sessions.add(session);
    const visibility = onDidChangeVisibility(() => {
      watcher.update();
      session.visibilityChanged();
    });
    onDidDispose(() => {
      visibility.dispose();
      sessions.delete(session);
      session.dispose();
      if (inView === session) inView = null;
      watcher.update();
    });
    watcher.update();
    return session;
  };
  const openTab = (panel: vscode.WebviewPanel, view: string | null) => {
    panel.iconPath = vscode.Uri.joinPath(context.extensionUri, 'media', 'icon.png');
    const session = open(panel, panel.onDidChangeViewState, panel.onDidDispose);
    fill(panel.webview, view);
    return session;
  };

  context.subscriptions.push(
    lastEditor,
    watcher,
    vscode.window.registerWebviewViewProvider(views.panel, {
      resolveWebviewView: (view) => {
        inView = open(view, view.onDidChangeVisibility, view.onDidDispose);
        if (showInView !== null) void inView.showRun(showInView);
        showInView = null;
        fill(view.webview);
      },
    }),
    vscode.window.registerWebviewPanelSerializer(panelEditor, {
      deserializeWebviewPanel: async (panel) => void openTab(panel, null),
    }),
    vscode.commands.registerCommand(commands.showPanel, () => vscode.commands.executeCommand(`${views.panel}.focus`)),
    vscode.commands.registerCommand(commands.openPanelInEditor, async () => {
      // The tab shows what the panel area shows.
      const view = (await inView?.view()) ?? null;
      const tab = openTab(vscode.window.createWebviewPanel(panelEditor, 'Unmask', vscode.ViewColumn.Active), view);
      if (view === null && inView?.shown) await tab.showRun(inView.shown);
    }),
    vscode.commands.registerCommand(
      commands.openRun,
      withErrorsShown(parts.log, async (run?: unknown) => {
        const dir = await pickRun(parts.jobs, run, 'Open Run', () => true);
        if (dir === undefined) return;
        if (inView) await inView.showRun(dir);
        else showInView = dir;
        await vscode.commands.executeCommand(`${views.panel}.focus`);
      }),
    ),
  );
}

/** Makes the runtime send the steps of every completion while a page is visible, and forwards them to the pages. */
function completionWatcher({ runtime }: PanelParts, sessions: ReadonlySet<PanelSession>) {
  let on = false;
  let listening: vscode.Disposable | null = null;
  const sendState = () => runtime.notify(watchCompletions, { on } satisfies WatchCompletions);
  const started = runtime.onDidStart((client) => {
    listening?.dispose();
    const frames = client.onNotification(completionFrame, (frame: CompletionFrame) => {
      for (const session of sessions) session.completionFrame(frame);
    });
    const decided = client.onNotification(completionDecided, (trace: CompletionTrace) => {
      for (const session of sessions) session.completionDecided(trace);
    });
    listening = { dispose: () => [frames, decided].forEach((each) => void each.dispose()) };
    // A new process does not know the state yet.
    if (on) void sendState();
  });
  return {
    update: () => {
      const anyVisible = [...sessions].some(({ visible }) => visible);
      if (anyVisible === on) return;
      on = anyVisible;
      void sendState();
    },
    dispose: () => {
      started.dispose();
      listening?.dispose();
    },
  };
}
