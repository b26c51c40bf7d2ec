import * as vscode from 'vscode';
import { messageOf } from '../../platform/errors.ts';
import { listModels, type ModelSummary } from '../../protocol/runtime.ts';
import { settings } from '../contributions.ts';
import { size } from '../jobs/describe-run.ts';
import type { Runtime } from '../runtime.ts';

const origins = {
  bundled: 'comes with Unmask',
  installed: 'kept on this machine',
  run: "a run's last checkpoint",
} as const;

/**
 * The models that there are: those that come with Unmask, those that were kept, and of the runs the one that completes
 * now. The runtime knows them; an element is what `unmask.model` takes.
 */
export class ModelsTree implements vscode.TreeDataProvider<string>, vscode.Disposable {
  readonly #runtime: Runtime;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscriptions: vscode.Disposable;
  #models: readonly ModelSummary[] = [];
  #problem: string | null = null;
  readonly onDidChangeTreeData = this.#changed.event;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    let known = '';
    this.#subscriptions = vscode.Disposable.from(
      this.#changed,
      runtime.onDidStart(() => this.refresh()),
      runtime.onDidChangeState((state) => {
        // A runtime tells its state after every completion; what this shows changes with less.
        const kind = state.kind === 'running' ? 'running' : state.reason;
        if (kind !== known) this.refresh();
        known = kind;
      }),
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration(settings.model)) this.refresh();
      }),
    );
  }

  refresh(): void {
    this.#changed.fire();
  }

  /** Why the models are not known; null where they are. */
  get problem(): string | null {
    return this.#problem;
  }

  find(name: string): ModelSummary | undefined {
    return this.#models.find((model) => model.name === name);
  }

  async getChildren(element?: string): Promise<string[]> {
    if (element !== undefined) return [];
    try {
      const found = await this.#runtime.request<ModelSummary[]>(listModels);
      this.#models = found.filter(({ kind, name }) => kind !== 'run' || name === modelInUse());
      this.#problem = null;
    } catch (error) {
      this.#models = [];
      this.#problem = messageOf(error);
    }
    return this.#models.map(({ name }) => name);
  }

  getParent(): undefined {
    return undefined;
  }

  getTreeItem(name: string): vscode.TreeItem {
    const model = this.find(name);
    return model ? itemOf(model) : new vscode.TreeItem(name);
  }

  dispose(): void {
    this.#subscriptions.dispose();
  }
}

export const modelInUse = (): string => vscode.workspace.getConfiguration().get<string>(settings.model, '');

function itemOf({ name, kind, parameters, bytes, completes, description, folder }: ModelSummary): vscode.TreeItem {
  const used = name === modelInUse();
  const item = new vscode.TreeItem(name.split(/[\\/]/).at(-1)!);
  const facts = [
    ...(used ? ['in use'] : []),
    size(bytes),
    ...(parameters === null ? [] : [`${(parameters / 1e6).toFixed(1)} million parameters`]),
  ];
  item.id = name;
  item.description = facts.join(' · ');
  item.iconPath = new vscode.ThemeIcon(used ? 'check' : 'package');
  item.tooltip = [description, origins[kind], completes ? 'completes code' : 'for tasks, not for code', folder]
    .filter(Boolean)
    .join('\n');
  item.contextValue = ['model', kind, ...(completes && !used ? ['usable'] : []), ...(used ? ['used'] : [])].join('.');
  item.accessibilityInformation = { label: [item.label, ...facts, origins[kind]].join(', ') };
  return item;
}
