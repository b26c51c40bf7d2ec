import * as vscode from 'vscode';
import { messageOf } from '../platform/errors.ts';
import { askUnmask } from './ask-unmask.ts';
import { commands } from './contributions.ts';
import { registerDeleteAllData } from './delete-all-data.ts';
import { registerEvaluations } from './evaluations/register-evaluations.ts';
import { registerCompareWithBase } from './jobs/compare-with-base.ts';
import { registerControlRuns } from './jobs/control-runs.ts';
import { Jobs } from './jobs/jobs.ts';
import { registerKeepModel } from './jobs/keep-model.ts';
import { registerLabelRuns } from './jobs/label-runs.ts';
import { registerNotifyEnds } from './jobs/notify-ends.ts';
import { registerPauseOnBattery } from './jobs/pause-on-battery.ts';
import { registerRunStatusBar } from './jobs/run-status-bar.ts';
import { registerTuneOnTask } from './jobs/tune-on-task.ts';
import { registerAddModel } from './models/add-model.ts';
import type { ChosenModel } from './models/chosen-model.ts';
import { registerSetHubToken } from './models/hub-token.ts';
import { registerModelHistory } from './models/model-history.ts';
import { registerRemoveModel } from './models/remove-model.ts';
import { registerSelectModel } from './models/select-model.ts';
import type { NodeChoice } from './node-choice.ts';
import { registerPanel } from './panel/register-panel.ts';
import type { Runtime } from './runtime.ts';
import { registerTests } from './tests/register-tests.ts';
import type { TestsTree } from './tests/tests-tree.ts';
import type { TextPages } from './text-page.ts';
import { registerTrees, type Trees } from './trees/register-trees.ts';
import { registerLearnWorkspace } from './workspace/learn-workspace.ts';
import { registerMeasureWorkspace } from './workspace/measure-workspace.ts';

export interface RunFeatureParts {
  readonly nodes: NodeChoice;
  readonly chosen: ChosenModel;
  readonly runtime: Runtime;
  /** The packaged `unmask.mjs`. */
  readonly script: string;
  readonly pages: TextPages;
  readonly log: vscode.LogOutputChannel;
}

/** The trees of the view container. */
export type AllTrees = Trees & { readonly tests: TestsTree };

/**
 * Registers everything about runs and models. It validates records of other processes with a schema library that takes
 * long to load, so `activate` loads it after the parts that completions need.
 */
export function registerRunFeatures(context: vscode.ExtensionContext, parts: RunFeatureParts): AllTrees {
  const { nodes, chosen, runtime, script, pages, log } = parts;
  const jobs = new Jobs(nodes, script, context.globalState, log);
  context.subscriptions.push(
    jobs,
    vscode.commands.registerCommand(commands.getStarted, () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', `${context.extension.id}#getStarted`),
    ),
  );

  const trees = registerTrees(context, jobs, runtime, chosen);
  const { models } = trees;
  registerControlRuns(context, jobs, log);
  registerLabelRuns(context, jobs, log);
  registerEvaluations(context, { jobs, nodes, runtime, script, log });
  registerTuneOnTask(context, { jobs, nodes, runtime, script, log });
  const tests = registerTests(context, { jobs, nodes, runtime, script, log });
  registerLearnWorkspace(context, { jobs, chosen, ask: askUnmask(nodes, script, log), log });
  registerMeasureWorkspace(context, { nodes, chosen, script, pages, log });
  registerPanel(context, { jobs, runtime, log });
  registerRunStatusBar(context, jobs);
  registerNotifyEnds(context, jobs, log);
  registerPauseOnBattery(context, jobs, log);
  registerCompareWithBase(context, jobs, log);
  registerKeepModel(context, { jobs, models, ask: askUnmask(nodes, script, log), log });
  registerModelHistory(context, chosen, log);
  registerSelectModel(context, { runtime, chosen, log });
  registerAddModel(context, { nodes, models, script, log });
  registerRemoveModel(context, { models, chosen, ask: askUnmask(nodes, script, log), log });
  registerSetHubToken(context, log);
  registerDeleteAllData(context, { jobs, models, chosen, log });

  for (const folder of [jobs.runs, jobs.evaluations])
    void folder.follow().catch((error: unknown) => log.error(`${folder.root} could not be read: ${messageOf(error)}`));
  return { ...trees, tests };
}
