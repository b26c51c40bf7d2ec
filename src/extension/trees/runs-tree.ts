import * as vscode from 'vscode';
import { size } from '../../platform/amounts.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import { printable, printableLine } from '../../protocol/printable.ts';
import type { RunFolder } from '../../runs/run-folder.ts';
import { sentenceOf, stateIcons, stateOf, tagsOf, titleOf } from '../jobs/describe-run.ts';

/** The folder that a tree of run directories shows, and the command that a click runs. */
export interface RunTreeOptions {
  readonly folder: RunFolder;
  /** The command of a click on an item; it gets the directory. */
  readonly open: { readonly command: string; readonly title: string };
  /** Prefix of the context value of its items, which the `when` clauses of menus use. */
  readonly context: string;
}

/** Run directories as a tree, newest first. An element is a directory, which the commands of its menus accept. */
export class RunsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly #options: RunTreeOptions;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #end: () => void;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(options: RunTreeOptions) {
    this.#options = options;
    this.#end = options.folder.onChange(() => this.#changed.fire());
  }

  getChildren(element?: string): string[] {
    return element === undefined ? this.#options.folder.runs.map(({ dir }) => dir) : [];
  }

  getParent(): undefined {
    return undefined;
  }

  getTreeItem(dir: string): vscode.TreeItem {
    const run = this.#options.folder.find(dir);
    return run ? itemOf(run, this.#options) : new vscode.TreeItem(dir);
  }

  dispose(): void {
    this.#end();
    this.#changed.dispose();
  }
}

function itemOf(run: PanelRun, { open, context }: RunTreeOptions): vscode.TreeItem {
  const item = new vscode.TreeItem(titleOf(run));
  const { state, dir } = run;
  item.id = dir;
  item.description = [stateOf(run), size(run.bytes), ...tagsOf(run)].join(' · ');
  item.iconPath = new vscode.ThemeIcon(stateIcons[state], iconColour(run));
  item.tooltip = tooltipOf(run);
  item.contextValue = `${context}.${state}.${run.kind ?? 'unknown'}`;
  item.command = { ...open, arguments: [dir] };
  item.accessibilityInformation = {
    label: `${titleOf(run)}, ${sentenceOf(run)}, ${state}, ${[stateOf(run), size(run.bytes), ...tagsOf(run)].join(', ')}`,
  };
  return item;
}

function iconColour({ state }: PanelRun): vscode.ThemeColor | undefined {
  if (state === 'failed') return new vscode.ThemeColor('testing.iconFailed');
  return state === 'finished' ? new vscode.ThemeColor('testing.iconPassed') : undefined;
}

function tooltipOf(run: PanelRun): vscode.MarkdownString {
  const text = new vscode.MarkdownString();
  text
    .appendText(sentenceOf(run))
    .appendMarkdown('\n\n')
    .appendText(`${run.state}, ${stateOf(run)}`);
  for (const line of [...tagsOf(run), ...(run.notes === undefined ? [] : [printable(run.notes)])])
    text.appendMarkdown('\n\n').appendText(line);
  if (run.model !== null) text.appendMarkdown('\n\n').appendText(printableLine(`Model: ${run.model}`));
  if (run.createdAt !== null)
    text.appendMarkdown('\n\n').appendText(`Started ${new Date(run.createdAt).toLocaleString()}`);
  if (run.error !== undefined) text.appendMarkdown('\n\n').appendText(printable(run.error));
  return text.appendMarkdown('\n\n').appendText(printableLine(run.dir));
}
