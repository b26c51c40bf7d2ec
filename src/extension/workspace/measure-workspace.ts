import * as vscode from 'vscode';
import { defaultSettings } from '../../protocol/default-settings.ts';
import type { WorkspaceDocument } from '../../protocol/workspace-comparison.ts';
import { signalOf } from '../abort-signal.ts';
import { commands, settings } from '../contributions.ts';
import type { ChosenModel } from '../models/chosen-model.ts';
import type { NodeChoice } from '../node-choice.ts';
import { runUnmask } from '../run-unmask.ts';
import { withErrorsShown } from '../show-error.ts';
import type { TextPages } from '../text-page.ts';
import { pickFolder } from './pick-folder.ts';
import { workspaceReport } from './workspace-report.ts';

export interface MeasureWorkspaceParts {
  readonly nodes: NodeChoice;
  readonly chosen: ChosenModel;
  readonly script: string;
  readonly pages: TextPages;
  readonly log: vscode.LogOutputChannel;
}

/** Gaps by default: about two minutes on two cores. */
const usualGaps = 200;

/**
 * `Unmask: How Well Does It Know This Workspace`: measures the model, copies, both and the learned model in the files of a folder, and shows
 * a report. It asks for nothing that is passed as an argument.
 */
export function registerMeasureWorkspace(
  context: vscode.ExtensionContext,
  { nodes, chosen, script, pages, log }: MeasureWorkspaceParts,
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.measureWorkspace,
      withErrorsShown(log, async (preset: { readonly folder?: string; readonly gaps?: number } = {}) => {
        const folder = preset.folder ?? (await pickFolder('Select the folder to measure in'));
        if (folder === undefined) return undefined;
        const configuration = vscode.workspace.getConfiguration();
        const args = [
          ...['infill-eval', '--workspace', folder, '--model', modelOf(chosen, configuration)],
          ...['--items', String(preset.gaps ?? usualGaps)],
          ...['--engine', configuration.get(settings.engine, defaultSettings.engine)],
        ];
        const device = configuration.get(settings.device, defaultSettings.device);
        if (device !== 'auto') args.push('--device', device);
        const options = {
          location: vscode.ProgressLocation.Notification,
          title: 'Unmask: Measuring in this workspace',
          cancellable: true,
        };
        const document = await vscode.window.withProgress(options, async (progress, token) =>
          runUnmask<WorkspaceDocument>(await nodes.get(), script, args, {
            signal: signalOf(token),
            log: (line) => {
              log.info(line);
              progress.report({ message: line });
            },
          }),
        );
        await pages.show('Workspace Report', workspaceReport(document));
        return document;
      }),
    ),
  );
}

/** The model in use; if it was learned on a workspace, the model in the settings, because the learned one has its own row. */
export function modelOf(chosen: ChosenModel, configuration: vscode.WorkspaceConfiguration): string {
  return chosen.name.startsWith('learned/') ? configuration.get(settings.model, defaultSettings.model) : chosen.name;
}
