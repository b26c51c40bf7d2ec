import * as vscode from 'vscode';
import { readProgressLine } from '../../platform/download-progress.ts';
import { messageOf, UserError } from '../../platform/errors.ts';
import { parseHubId } from '../../platform/model-name.ts';
import type { ModelOffer } from '../../protocol/models.ts';
import type { ModelSummary } from '../../protocol/runtime.ts';
import { signalOf } from '../abort-signal.ts';
import { commands } from '../contributions.ts';
import type { NodeChoice } from '../node-choice.ts';
import { runUnmask } from '../run-unmask.ts';
import { withErrorsShown } from '../show-error.ts';
import { staysOpen } from '../stays-open.ts';
import type { ModelsTree } from '../trees/models-tree.ts';
import { withHubToken } from './hub-token.ts';
import { labelOf, offerLines } from './model-items.ts';
import { publishedModels } from './published-models.ts';

export interface AddModelParts {
  readonly nodes: NodeChoice;
  readonly models: ModelsTree;
  /** The packaged `unmask.mjs`. */
  readonly script: string;
  readonly log: vscode.LogOutputChannel;
}

/** What is to be added: a model of the hub, by its id, or a folder. */
export type ModelSource =
  | { readonly hub: string }
  | { readonly folder: string }
  | { readonly ask: 'hub' | 'folder' | 'either' };

/**
 * `Unmask: Add Model`: from the Hugging Face hub, after its size and licence were shown, or from a folder. What another
 * command or a test gives is not asked for. Returns the model's name.
 */
export function registerAddModel(context: vscode.ExtensionContext, parts: AddModelParts): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(
      commands.addModel,
      withErrorsShown(parts.log, async (given?: unknown) => {
        const source = await ask(isSource(given) ? given : { ask: 'either' });
        if (!source) return undefined;
        // What is no id could read as a path.
        if ('hub' in source) parseHubId(source.hub);
        const offer = 'hub' in source ? await look(context, parts, source.hub) : null;
        if (offer !== null && offer.installed !== offer.revision && !(await confirm(offer))) return undefined;
        const what = 'hub' in source ? source.hub : source.folder;
        // Whoever was shown that it takes the place of another revision has said yes to that.
        const args = ['models', 'add', what, ...((offer?.installed ?? null) === null ? [] : ['--replace'])];
        const { model } = await withProgress(`Unmask: adding ${labelOf(what)}`, (report, signal) =>
          unmask<{ model: ModelSummary }>(context, parts, args, signal, report),
        );
        parts.models.refresh();
        void offerUse(model);
        return model.name;
      }),
    ),
  );
}

const isSource = (given: unknown): given is ModelSource =>
  typeof given === 'object' && given !== null && ('hub' in given || 'folder' in given || 'ask' in given);

/** Asks what is not given; undefined where the user leaves it. */
async function ask(source: ModelSource): Promise<Exclude<ModelSource, { ask: unknown }> | undefined> {
  if (!('ask' in source)) return source;
  if (source.ask === 'folder') return askFolder();
  const suggested = publishedModels.map(({ id, facts, about }) => ({ label: id, description: facts, detail: about }));
  const byId = { label: '$(edit) Another model, by its id…' };
  const folder = { label: '$(folder) A model folder…' };
  const separator = { label: 'Published masked diffusion models', kind: vscode.QuickPickItemKind.Separator };
  const picked = await vscode.window.showQuickPick<vscode.QuickPickItem>(
    [byId, ...(source.ask === 'either' ? [folder] : []), separator, ...suggested],
    { title: 'Add a model from the Hugging Face hub', matchOnDescription: true, matchOnDetail: true, ...staysOpen },
  );
  if (!picked) return undefined;
  if (picked === folder) return askFolder();
  const hub = picked === byId ? await askId() : picked.label;
  return hub === undefined ? undefined : { hub };
}

async function askId(): Promise<string | undefined> {
  const id = await vscode.window.showInputBox({
    ...staysOpen,
    title: 'Model of the Hugging Face hub',
    prompt: 'OWNER/NAME, or OWNER/NAME@REVISION. Its size and licence are shown before it is downloaded.',
    placeHolder: publishedModels[0]?.id,
    validateInput: (text) => (text.trim() === '' ? null : idProblem(text)),
  });
  return id?.trim() || undefined;
}

function idProblem(text: string): string | null {
  try {
    parseHubId(text);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

async function askFolder(): Promise<{ readonly folder: string } | undefined> {
  const folders = await vscode.window.showOpenDialog({
    title: 'Folder of a model: config.json, model.safetensors, tokenizer.json',
    canSelectFiles: false,
    canSelectFolders: true,
    openLabel: 'Add a Copy',
  });
  return folders?.[0] && { folder: folders[0].fsPath };
}

/** What the hub has of a model; throws the reason where it cannot be loaded. */
async function look(context: vscode.ExtensionContext, parts: AddModelParts, id: string): Promise<ModelOffer> {
  const { model } = await withProgress(`Unmask: looking ${id} up`, (_, signal) =>
    unmask<{ model: ModelOffer }>(context, parts, ['models', 'add', id, '--dry-run'], signal),
  );
  if (model.problem !== null) throw new UserError(`${model.name} cannot be loaded: ${model.problem}`);
  return model;
}

/** Shows what a download would bring. */
async function confirm(model: ModelOffer): Promise<boolean> {
  const download = 'Download';
  const detail = [...offerLines(model), '', 'It is checked and kept on this machine; nothing else is sent.'].join('\n');
  const answer = await vscode.window.showInformationMessage(
    `Download ${model.name}?`,
    { modal: true, detail },
    download,
  );
  return answer === download;
}

/** Runs the packaged program, which finds the token where there is one; each line of progress is reported. */
async function unmask<Document>(
  { secrets }: vscode.ExtensionContext,
  { nodes, script, log }: AddModelParts,
  args: readonly string[],
  signal: AbortSignal,
  report: (line: string) => void = () => {},
): Promise<Document> {
  const node = await withHubToken(await nodes.get(), secrets);
  return runUnmask<Document>(node, script, args, {
    signal,
    log: (line) => {
      if (readProgressLine(line) === null) log.info(line);
      report(line);
    },
  });
}

function withProgress<Result>(
  title: string,
  work: (report: (line: string) => void, signal: AbortSignal) => Promise<Result>,
): Thenable<Result> {
  return vscode.window.withProgress(
    { location: vscode.ProgressLocation.Notification, title, cancellable: true },
    (progress, token) => {
      let percent = 0;
      return work((line) => {
        const now = readProgressLine(line);
        if (now === null) return;
        progress.report({ message: now.message, increment: now.percent - percent });
        percent = now.percent;
      }, signalOf(token));
    },
  );
}

/** A model that completes code can do so at once; of another it is said what it is for. */
async function offerUse({ name, completes }: ModelSummary): Promise<void> {
  const use = 'Use for Completions';
  const answer = completes
    ? await vscode.window.showInformationMessage(`The model ${name} is installed.`, use)
    : await vscode.window.showInformationMessage(
        `The model ${name} is installed. It was not trained to fill gaps in code: it is for tuning and evaluation.`,
      );
  if (answer === use) await vscode.commands.executeCommand(commands.useModel, name);
}
