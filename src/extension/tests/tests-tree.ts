import path from 'node:path';
import * as vscode from 'vscode';
import { count } from '../../platform/amounts.ts';
import type { DiscoveryDocument, FoundTask, LeftOut, TestStrength } from '../../protocol/discovery.ts';
import { printable, printableLine } from '../../protocol/printable.ts';
import type { RowPart } from '../../protocol/row-split.ts';
import { partsOf, partText, taskName, tasksByFile, testCountText } from './chosen-tasks.ts';
import type { WeakFunction } from './weak-tests.ts';

/** A node of the tree; `task` and `index` are indices into the lists of the discovery. */
export type TestsNode =
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'function'; readonly task: number }
  | { readonly kind: 'test'; readonly task: number; readonly testFile: string; readonly id: string }
  | { readonly kind: 'weak tests' }
  | { readonly kind: 'weak function'; readonly index: number }
  | { readonly kind: 'survivor'; readonly index: number; readonly survivor: number }
  | { readonly kind: 'left out' }
  | { readonly kind: 'reason'; readonly index: number };

/**
 * The functions of a workspace that its tests cover, by file, each with a check box: checked functions are tuned on. The
 * children of a function are its tests. The last nodes list functions whose tests are weak, with the changes that the tests do not notice, and
 * what was excluded, with the reasons.
 */
export class TestsTree implements vscode.TreeDataProvider<TestsNode>, vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #unchecked: Set<string>;
  readonly #remember: (unchecked: readonly string[]) => void;
  #found: DiscoveryDocument | null = null;
  #weak: readonly WeakFunction[] = [];
  readonly onDidChangeTreeData = this.#changed.event;

  /**
   * @param unchecked names of the functions that are not checked
   * @param remember called with these names when they change
   */
  constructor(unchecked: readonly string[], remember: (unchecked: readonly string[]) => void) {
    this.#unchecked = new Set(unchecked);
    this.#remember = remember;
  }

  get found(): DiscoveryDocument | null {
    return this.#found;
  }

  show(found: DiscoveryDocument | null): void {
    this.#found = found;
    this.#changed.fire();
  }

  /** Shows the functions whose tests are weak; `weakFunctions` finds them. */
  showWeak(weak: readonly WeakFunction[]): void {
    this.#weak = weak;
    this.#changed.fire();
  }

  /** Indices of the checked tasks. */
  get chosen(): number[] {
    const tasks = this.#found?.tasks ?? [];
    return tasks.flatMap((task, index) => (this.#unchecked.has(taskName(task)) ? [] : [index]));
  }

  /** Checks these tasks and unchecks all others. */
  choose(chosen: readonly number[]): void {
    for (const [index, task] of (this.#found?.tasks ?? []).entries())
      if (chosen.includes(index)) this.#unchecked.delete(taskName(task));
      else this.#unchecked.add(taskName(task));
    this.#remember([...this.#unchecked]);
    this.#changed.fire();
  }

  /** Applies changes of check boxes. */
  check(items: readonly (readonly [TestsNode, vscode.TreeItemCheckboxState])[]): void {
    const chosen = new Set(this.chosen);
    for (const [node, state] of items)
      for (const index of this.#tasksOf(node))
        if (state === vscode.TreeItemCheckboxState.Checked) chosen.add(index);
        else chosen.delete(index);
    this.choose([...chosen]);
  }

  getChildren(node?: TestsNode): TestsNode[] {
    const found = this.#found;
    if (!found) return [];
    if (node === undefined)
      return [
        ...[...tasksByFile(found).keys()].map((file) => ({ kind: 'file', file }) as const),
        ...(this.#weak.length > 0 ? [{ kind: 'weak tests' } as const] : []),
        ...(found.leftOut.length > 0 ? [{ kind: 'left out' } as const] : []),
      ];
    if (node.kind === 'file') return this.#tasksOf(node).map((task) => ({ kind: 'function', task }));
    if (node.kind === 'function')
      return Object.entries(this.#task(node.task).tests).flatMap(([testFile, ids]) =>
        ids.map((id) => ({ kind: 'test', task: node.task, testFile, id }) as const),
      );
    if (node.kind === 'weak tests') return this.#weak.map((_, index) => ({ kind: 'weak function', index }));
    if (node.kind === 'weak function')
      return (this.#weak[node.index]?.strength.survivors ?? []).map((_, survivor) => ({
        kind: 'survivor',
        index: node.index,
        survivor,
      }));
    return node.kind === 'left out' ? found.leftOut.map((_, index) => ({ kind: 'reason', index })) : [];
  }

  getTreeItem(node: TestsNode): vscode.TreeItem {
    const item = this.#itemOf(node);
    item.id = JSON.stringify(node);
    item.accessibilityInformation = { label: `${item.label ?? ''}, ${item.description ?? ''}` };
    return item;
  }

  #itemOf(node: TestsNode): vscode.TreeItem {
    const { Expanded, Collapsed } = vscode.TreeItemCollapsibleState;
    if (node.kind === 'file') {
      const tasks = this.#tasksOf(node);
      const chosen = tasks.filter((index) => this.#isChosen(index)).length;
      const item = new vscode.TreeItem(printableLine(node.file), Expanded);
      item.iconPath = vscode.ThemeIcon.File;
      item.resourceUri = this.#uri(node.file);
      item.description = `${chosen} of ${count(tasks.length, 'function')}`;
      item.checkboxState = checkBox(chosen === tasks.length, node.file);
      return item;
    }
    if (node.kind === 'function') {
      const task = this.#task(node.task);
      const item = new vscode.TreeItem(printableLine(task.function), Collapsed);
      const part = partsOf(this.#found as DiscoveryDocument, this.chosen).get(node.task);
      item.iconPath = new vscode.ThemeIcon('symbol-method');
      item.description = `${testCountText(task)}${partText(part)}`;
      item.tooltip = partTooltips[part ?? 'training'];
      item.checkboxState = checkBox(this.#isChosen(node.task), task.function);
      item.command = openAt(this.#uri(task.file), task.line);
      return item;
    }
    if (node.kind === 'test') {
      const item = new vscode.TreeItem(printableLine(node.id));
      item.iconPath = new vscode.ThemeIcon('beaker');
      item.description = printableLine(node.testFile);
      item.command = openAt(this.#uri(node.testFile), 1);
      return item;
    }
    if (node.kind === 'weak tests' || node.kind === 'weak function' || node.kind === 'survivor')
      return this.#weakItem(node);
    if (node.kind === 'left out') {
      const item = new vscode.TreeItem('Excluded', Collapsed);
      item.iconPath = new vscode.ThemeIcon('circle-slash');
      item.description = String(this.#found?.leftOut.length);
      return item;
    }
    const { file, name, reason } = this.#exclusion(node.index);
    const item = new vscode.TreeItem(printableLine(name ?? file));
    item.description = printableLine(reason.split('\n')[0] as string);
    item.tooltip = printable([file, reason].join('\n\n'));
    item.command = openAt(this.#uri(file), 1);
    return item;
  }

  #weakItem(node: Extract<TestsNode, { kind: 'weak tests' | 'weak function' | 'survivor' }>): vscode.TreeItem {
    if (node.kind === 'weak tests') {
      const item = new vscode.TreeItem('Weak Tests', vscode.TreeItemCollapsibleState.Collapsed);
      item.iconPath = new vscode.ThemeIcon('warning');
      item.description = String(this.#weak.length);
      item.tooltip =
        'Small changes of these functions leave all their tests passing, so a passing completion may still be wrong.';
      return item;
    }
    const { file, function: name, line, strength } = this.#weak[node.index] as WeakFunction;
    if (node.kind === 'weak function') {
      const item = new vscode.TreeItem(printableLine(name), vscode.TreeItemCollapsibleState.Collapsed);
      item.description = `tests notice ${strength.caught} of ${count(strength.tried, 'change')}`;
      item.tooltip = printableLine(file);
      item.command = openAt(this.#uri(file), line);
      return item;
    }
    const survivor = strength.survivors[node.survivor] as TestStrength['survivors'][number];
    const item = new vscode.TreeItem(printableLine(survivor.description));
    item.description = `line ${survivor.line}`;
    item.tooltip = 'All tests pass with this change. A test that fails with it would make the reward more reliable.';
    item.command = openAt(this.#uri(file), survivor.line);
    return item;
  }

  dispose(): void {
    this.#changed.dispose();
  }

  #tasksOf(node: TestsNode): readonly number[] {
    if (node.kind === 'function') return [node.task];
    return node.kind === 'file' && this.#found ? (tasksByFile(this.#found).get(node.file) ?? []) : [];
  }

  #task(index: number): FoundTask {
    return this.#found?.tasks[index] as FoundTask;
  }

  #exclusion(index: number): LeftOut {
    return this.#found?.leftOut[index] as LeftOut;
  }

  #isChosen(index: number): boolean {
    return !this.#unchecked.has(taskName(this.#task(index)));
  }

  #uri(file: string): vscode.Uri {
    return vscode.Uri.file(path.join(this.#found?.workspace ?? '', file));
  }
}

const partTooltips: Readonly<Record<RowPart, string>> = {
  training: 'The model is trained to write its body, with its tests as the reward.',
  validation: 'The model is not trained on it. It is used to choose the best checkpoint.',
  test: 'The model is not trained on it. It is used to measure the result, before and after.',
};

function checkBox(isChecked: boolean, what: string) {
  return {
    state: isChecked ? vscode.TreeItemCheckboxState.Checked : vscode.TreeItemCheckboxState.Unchecked,
    tooltip: isChecked ? `${what} is part of the run` : `${what} is not part of the run`,
    accessibilityInformation: { label: `Tune on ${what}`, role: 'checkbox' },
  };
}

const openAt = (uri: vscode.Uri, line: number): vscode.Command => ({
  command: 'vscode.open',
  title: 'Open',
  arguments: [uri, { selection: new vscode.Range(line - 1, 0, line - 1, 0), preserveFocus: true }],
});
