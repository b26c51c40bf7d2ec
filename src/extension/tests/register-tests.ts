import * as vscode from 'vscode';
import { UserError } from '../../platform/errors.ts';
import type { DiscoveryDocument, FoundTask } from '../../protocol/discovery.ts';
import type { Json } from '../../protocol/run.ts';
import { signalOf } from '../abort-signal.ts';
import { askUnmask } from '../ask-unmask.ts';
import { commands, views } from '../contributions.ts';
import type { TuneParts } from '../jobs/tune-on-task.ts';
import type { TuningChoice } from '../jobs/tuning-choice.ts';
import { showError, withErrorsShown } from '../show-error.ts';
import { staysOpen } from '../stays-open.ts';
import { guardsText, heldOutOf, tasksByFile, writeChosen } from './chosen-tasks.ts';
import { findTests, readDiscovery } from './find-tests.ts';
import { RewardTests } from './reward-tests.ts';
import { TestsTree } from './tests-tree.ts';

/** In the workspace's memory: the directory of the last search, and the functions whose boxes are not checked. */
const memory = { found: 'foundTests', unchecked: 'uncheckedTests' } as const;

/** Whether the view has functions to tune on. */
const hasTests = 'unmask.hasTests';

/** What another command, a link or a test gives, so that it is not asked for. */
export interface TuneOnTestsChoice extends Partial<Omit<TuningChoice, 'task' | 'data'>> {
  /** A folder of the workspace. */
  readonly folder?: string;
  /** Functions by name; absent: asked for. */
  readonly functions?: readonly string[];
  readonly hyperparameters?: Readonly<Record<string, Json>>;
}

/**
 * Tuning on the open workspace's own tests: `Unmask: Find Functions That Tests Guard`, the view of them, the tests in the
 * Test Explorer, and `Unmask: Tune on Workspace Tests`, which goes all the way. No code of a workspace is run before its
 * user trusts it.
 */
export function registerTests(context: vscode.ExtensionContext, parts: TuneParts): TestsTree {
  const { jobs, nodes, script, log } = parts;
  const state = context.workspaceState;
  const tree = new TestsTree(state.get<readonly string[]>(memory.unchecked, []), (unchecked) => {
    void state.update(memory.unchecked, unchecked);
  });
  const reward = new RewardTests(askUnmask(nodes, script, log), (error) => showError(error, log));
  const view = vscode.window.createTreeView(views.tests, { treeDataProvider: tree, showCollapseAll: true });
  const show = (found: DiscoveryDocument | null) => {
    tree.show(found);
    reward.show(found);
    view.description = found ? `${found.tasks.length} of ${found.functions} functions` : '';
    view.message = found?.tasks.length === 0 ? nothingFound(found) : '';
    void vscode.commands.executeCommand('setContext', hasTests, (found?.tasks.length ?? 0) > 0);
  };
  const find = async (given?: string) => {
    if (!isTrusted()) return undefined;
    const folder = given ?? (await pickFolder());
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
      withErrorsShown(log, async (given?: unknown) => {
        const found = await find(typeof given === 'string' ? given : undefined);
        if (found) await vscode.commands.executeCommand(`${views.tests}.focus`);
        return found;
      }),
    ),
    vscode.commands.registerCommand(
      commands.tuneOnTests,
      withErrorsShown(log, async (given: TuneOnTestsChoice = {}) => {
        // Looked for anew each time: what is known costs no run, and what has changed is seen.
        const found = await find(given.folder);
        if (!found) return undefined;
        if (found.tasks.length === 0) throw new UserError(nothingFound(found));
        const chosen = given.functions ? named(found, given.functions) : await askFunctions(found, tree.chosen);
        if (!chosen) return undefined;
        tree.choose(chosen);
        if (chosen.length - heldOutOf(chosen).size === 0)
          throw new UserError(
            'One function alone is held out to measure what is learnt; choose another one to learn from.',
          );
        if (!(await passesAsItStands(reward, chosen))) return undefined;
        const { folder: _, functions: __, ...rest } = given;
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

/** Whether code of the workspace may be run; where not, a message leads to where its user can say so. */
function isTrusted(): boolean {
  if (vscode.workspace.isTrusted) return true;
  const manage = 'Manage Workspace Trust';
  // Not awaited: the command is over, however long the message stays.
  void vscode.window
    .showWarningMessage('Unmask runs the tests of a workspace only after you trust it.', manage)
    .then((answer) => answer === manage && vscode.commands.executeCommand('workbench.trust.manage'));
  return false;
}

async function pickFolder(): Promise<string | undefined> {
  const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
  if (folders.length === 0)
    throw new UserError('No folder of this machine is open; open one whose tests can be the reward.');
  if (folders.length === 1) return folders[0]!.uri.fsPath;
  const picked = await vscode.window.showWorkspaceFolderPick({ placeHolder: 'Whose tests are to be the reward?' });
  return picked?.uri.fsPath;
}

const nothingFound = ({ functions, tests, leftOut }: DiscoveryDocument): string =>
  `None of the ${functions} functions is guarded by one of the ${tests} tests, so there is nothing to learn${
    leftOut[0] ? ` (${leftOut[0].file}: ${leftOut[0].reason.split('\n')[0]})` : ''
  }.`;

function named(found: DiscoveryDocument, functions: readonly string[]): number[] {
  return functions.map((name) => {
    const place = found.tasks.findIndex((task) => task.function === name);
    if (place === -1) throw new UserError(`No test of ${found.workspace} guards a function ${name}.`);
    return place;
  });
}

/** Which functions; undefined where the user leaves. */
async function askFunctions(found: DiscoveryDocument, chosen: readonly number[]): Promise<number[] | undefined> {
  const heldOut = heldOutOf(chosen);
  const items = [...tasksByFile(found)].flatMap(([file, places]) => [
    { label: file, kind: vscode.QuickPickItemKind.Separator, place: -1 },
    ...places.map((place) => {
      const task = found.tasks[place] as FoundTask;
      const description = `${guardsText(task)}${heldOut.has(place) ? ' · held out' : ''}`;
      return { label: task.function, description, picked: chosen.includes(place), place };
    }),
  ]);
  const picked = await vscode.window.showQuickPick(items, {
    ...staysOpen,
    title: 'Tune on which functions? Their tests are the reward.',
    placeHolder: 'Those that are held out measure what the others teach.',
    canPickMany: true,
    matchOnDescription: true,
  });
  const places = picked?.map(({ place }) => place);
  return places && places.length > 0 ? places : undefined;
}

/** The dry run: where the code as it stands does not pass, a reward would punish what is right. */
async function passesAsItStands(reward: RewardTests, chosen: readonly number[]): Promise<boolean> {
  const result = await vscode.window.withProgress(
    {
      location: vscode.ProgressLocation.Notification,
      title: 'Unmask: scoring the code as it stands',
      cancellable: true,
    },
    (_, token) => reward.score(chosen, signalOf(token)),
  );
  if (result.passing === result.n) return true;
  const failing = result.functions.filter(({ reason }) => reason !== null).map(({ function: name }) => name);
  throw new UserError(
    `${failing.length} of ${result.n} functions do not pass as they stand (${failing.slice(0, 3).join(', ')}${failing.length > 3 ? ', …' : ''}); the Test Results say why. Mend them, or leave them out.`,
  );
}
