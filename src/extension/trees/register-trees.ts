import * as vscode from 'vscode';
import { size } from '../../platform/amounts.ts';
import type { RunFolder } from '../../runs/run-folder.ts';
import { commands, views } from '../contributions.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { ChosenModel } from '../models/chosen-model.ts';
import type { Runtime } from '../runtime.ts';
import { ModelsTree } from './models-tree.ts';
import { RunsTree } from './runs-tree.ts';

const runtimeFailed = 'unmask.runtimeFailed';

/** The trees of the view container: runs, models and evaluations of this machine. */
export interface Trees {
  readonly runs: vscode.TreeDataProvider<string>;
  readonly models: ModelsTree;
  readonly evaluations: vscode.TreeDataProvider<string>;
}

export function registerTrees(
  context: vscode.ExtensionContext,
  jobs: Jobs,
  runtime: Runtime,
  chosen: ChosenModel,
): Trees {
  const runs = new RunsTree({
    folder: jobs.runs,
    open: { command: commands.openRun, title: 'Open Run' },
    context: 'run',
  });
  const evaluations = new RunsTree({
    folder: jobs.evaluations,
    open: { command: commands.openEvaluation, title: 'Open Evaluation' },
    context: 'evaluation',
  });
  const models = new ModelsTree(runtime, chosen);
  const modelsView = vscode.window.createTreeView(views.models, { treeDataProvider: models });
  const showRuntime = () => {
    const { state } = runtime;
    modelsView.message = state.kind === 'running' ? '' : state.reason;
    // The welcome content says what to do if the runtime has failed; it does not show while the runtime starts.
    void vscode.commands.executeCommand('setContext', runtimeFailed, state.kind === 'failed');
  };
  showRuntime();
  context.subscriptions.push(
    runs,
    evaluations,
    models,
    modelsView,
    ...viewOf(views.runs, runs, jobs.runs),
    ...viewOf(views.evaluations, evaluations, jobs.evaluations),
    models.onDidChangeTreeData(showRuntime),
  );
  return { runs, models, evaluations };
}

/** A view of run directories, with their disk usage in its title. */
function viewOf(id: string, tree: RunsTree, folder: RunFolder): vscode.Disposable[] {
  const view = vscode.window.createTreeView(id, { treeDataProvider: tree });
  const describe = () => {
    const bytes = folder.runs.reduce((sum, run) => sum + run.bytes, 0);
    view.description = bytes === 0 ? '' : size(bytes);
  };
  describe();
  return [view, { dispose: folder.onChange(describe) }];
}
