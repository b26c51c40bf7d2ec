import * as vscode from 'vscode';
import { count } from '../../platform/amounts.ts';
import { UserError } from '../../platform/errors.ts';
import type { DiscoveryDocument, DryRunFunction, FoundTask } from '../../protocol/discovery.ts';
import { printableLine } from '../../protocol/printable.ts';
import type { Json } from '../../protocol/run.ts';
import { signalOf } from '../abort-signal.ts';
import { askUnmask } from '../ask-unmask.ts';
import { commands, views } from '../contributions.ts';
import type { TuneParts } from '../jobs/tune-on-task.ts';
import type { TuningChoice } from '../jobs/tuning-choice.ts';
import { keepOpen } from '../keep-open.ts';
import { showError, withErrorsShown } from '../show-error.ts';
import { pickFolder } from '../workspace/pick-folder.ts';
import { partsOf, partText, tasksByFile, testCountText, writeChosen } from './chosen-tasks.ts';
import { findTests, readDiscovery } from './find-tests.ts';
import { RewardTests } from './reward-tests.ts';
import { TestsTree } from './tests-tree.ts';
import { type WeakFunction, weakFunctions } from './weak-tests.ts';

/** Keys in the workspace's storage: the directory of the last search, the functions that are not checked, and those with weak tests. */
const memory = { found: 'foundTests', unchecked: 'uncheckedTests', weak: 'weakTests' } as const;

/** Context key: whether the view has functions to tune on. */
const hasTests = 'unmask.hasTests';

/** Values that another command, a link or a test passes; the command does not ask for them. */
export interface TuneOnTestsChoice extends Partial<Omit<TuningChoice, 'task' | 'data'>> {
  /** A folder of the workspace. */
  readonly folder?: string;
  /** Functions by name; absent: the user chooses. */
  readonly functions?: readonly string[];
  readonly hyperparameters?: Readonly<Record<string, Json>>;
}

/**
 * Tuning on the tests of the open workspace: `Unmask: Find Functions Covered by Tests`, the view of these functions, their
 * tests in the Test Explorer, and `Unmask: Tune on Workspace Tests`, which does all of it. No code of a workspace runs
 * before the user trusts it.
 */
export function registerTests(context: vscode.ExtensionContext, parts: TuneParts): TestsTree {
  const { jobs, nodes, script, log } = parts;
  const state = context.workspaceState;
  const tree = new TestsTree(state.get<readonly string[]>(memory.unchecked, []), (unchecked) => {
    void state.update(memory.unchecked, unchecked);
  });
  let weak = state.get<readonly WeakFunction[]>(memory.weak, []);
  const showWeak = (dryRun: readonly DryRunFunction[]) => {
    weak = weakFunctions(weak, dryRun, tree.found?.tasks ?? []);
    tree.showWeak(weak);
    if (tree.found) void state.update(memory.weak, weak);
  };
  const reward = new RewardTests(
    askUnmask(nodes, script, log),
    (error) => showError(error, log),
    ({ functions }) => showWeak(functions),
  );
  const view = vscode.window.createTreeView(views.tests, { treeDataProvider: tree, showCollapseAll: true });
  const show = (found: DiscoveryDocument | null) => {
    tree.show(found);
    reward.show(found);
    if (found) showWeak([]);
    view.description = found ? `${found.tasks.length} of ${count(found.functions, 'function')}` : '';
    view.message = found?.tasks.length === 0 ? noTaskMessage(found) : '';
    void vscode.commands.executeCommand('setContext', hasTests, (found?.tasks.length ?? 0) > 0);
  };
  const find = async (preset?: string) => {
    if (!isTrusted()) return undefined;
    const folder = preset ?? (await pickFolder('Select the folder whose tests are the reward'));
    if (folder === undefined) return undefined;
    const found = await findTests(jobs, folder);
    if (found) {
      await state.update(memory.found, found.dir);
      show(found);
    }
    return found;
  };
  const earlier = state.get<string>(memory.found);
  if (earlier !== undefined && vscode.workspace.isTrusted) readDiscovery(earlier).then(show, () => show(null));

  context.subscriptions.push(
    tree,
    reward,
    view,
    view.onDidChangeCheckboxState(({ items }) => tree.check(items)),
    vscode.commands.registerCommand(
      commands.findTests,
      withErrorsShown(log, async (preset?: unknown) => {
        const found = await find(typeof preset === 'string' ? preset : undefined);
        if (found) await vscode.commands.executeCommand(`${views.tests}.focus`);
        return found;
      }),
    ),
    vscode.commands.registerCommand(
      commands.tuneOnTests,
      withErrorsShown(log, async (preset: TuneOnTestsChoice = {}) => {
        // Searched again each time: unchanged functions cost no test run, and changed ones are found.
        const found = await find(preset.folder);
        if (!found) return undefined;
        if (found.tasks.length === 0) throw new UserError(noTaskMessage(found));
        const chosen = preset.functions ? tasksByName(found, preset.functions) : await askFunctions(found, tree.chosen);
        if (!chosen) return undefined;
        tree.choose(chosen);
        if (!(await passesUnchanged(reward, chosen))) return undefined;
        const { folder: _, functions: __, ...rest } = preset;
        const data = await writeChosen(found, chosen);
        return vscode.commands.executeCommand<string | undefined>(commands.tuneOnTask, {
          ...rest,
          task: 'workspace',
          data,
        });
      }),
    ),
  );
  return tree;
}

/** Whether code of the workspace may run. If not, a message offers to manage Workspace Trust. */
function isTrusted(): boolean {
  if (vscode.workspace.isTrusted) return true;
  const manage = 'Manage Workspace Trust';
  // Not awaited: the command is done, even if the message stays open.
  void vscode.window
    .showWarningMessage('Unmask runs tests only in a trusted workspace.', manage)
    .then((answer) => answer === manage && vscode.commands.executeCommand('workbench.trust.manage'));
  return false;
}

const noTaskMessage = ({ functions, tests, leftOut }: DiscoveryDocument): string =>
  `No function is covered by tests, so there is nothing to train on (${count(functions, 'function')}, ${count(tests, 'test')}${
    leftOut[0] ? `; ${leftOut[0].file}: ${leftOut[0].reason.split('\n')[0]}` : ''
  }).`;

function tasksByName(found: DiscoveryDocument, functions: readonly string[]): number[] {
  return functions.map((name) => {
    const index = found.tasks.findIndex((task) => task.function === name);
    if (index === -1) throw new UserError(`No test in ${found.workspace} covers a function named ${name}.`);
    return index;
  });
}

/** Asks for the functions to tune on. Undefined if the user cancels. */
async function askFunctions(found: DiscoveryDocument, chosen: readonly number[]): Promise<number[] | undefined> {
  const parts = partsOf(found, chosen);
  const items = [...tasksByFile(found)].flatMap(([file, indices]) => [
    { label: printableLine(file), kind: vscode.QuickPickItemKind.Separator, index: -1 },
    ...indices.map((index) => {
      const task = found.tasks[index] as FoundTask;
      const description = `${testCountText(task)}${partText(parts.get(index))}`;
      return { label: printableLine(task.function), description, picked: chosen.includes(index), index };
    }),
  ]);
  const picked = await vscode.window.showQuickPick(items, {
    ...keepOpen,
    title: 'Select functions to tune on. Their tests are the reward.',
    placeHolder: 'Held-out functions are not trained on; they measure progress.',
    canPickMany: true,
    matchOnDescription: true,
  });
  const indices = picked?.map(({ index }) => index);
  return indices && indices.length > 0 ? indices : undefined;
}

/** The dry run: if the current code does not pass its tests, the reward would penalize correct code. */
async function passesUnchanged(reward: RewardTests, chosen: readonly number[]): Promise<boolean> {
  const result = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'Unmask: Running the tests on the current code',
      cancellable: true,
    },
    (_, token) => reward.score(chosen, signalOf(token)),
  );
  if (result.passing === result.n) return true;
  const failing = result.functions.filter(({ reason }) => reason !== null).map(({ function: name }) => name);
  throw new UserError(
    `${failing.length} of ${count(result.n, 'function')} fail their tests in the current code (${failing.slice(0, 3).join(', ')}${failing.length > 3 ? ', …' : ''}). See Test Results for the reason; fix these functions or deselect them.`,
  );
}
