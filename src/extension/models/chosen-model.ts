import * as vscode from 'vscode';
import { settings } from '../contributions.ts';

const workspaceKey = 'model';

/** Where a choice of a model applies. */
export type ModelScope = 'workspace' | 'everywhere';

/**
 * The model for completions in this window: the one that was chosen for this workspace, else the one in the settings. A
 * choice for a workspace is kept in VS Code's storage and not in the workspace's settings: those are files that somebody
 * else may have written, and opening a folder must not load a model that it names.
 */
export class ChosenModel implements vscode.Disposable {
  readonly #memory: vscode.Memento;
  readonly #changed = new vscode.EventEmitter<void>();
  readonly #subscription: vscode.Disposable;
  readonly onDidChange = this.#changed.event;

  /** @param memory the storage of the workspace */
  constructor(memory: vscode.Memento) {
    this.#memory = memory;
    this.#subscription = vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration(settings.model)) this.#changed.fire();
    });
  }

  get name(): string {
    return this.#memory.get<string>(workspaceKey) ?? this.#everywhere;
  }

  /** Whether the current model was chosen for this workspace only. */
  get scope(): ModelScope {
    return this.#memory.get<string>(workspaceKey) === undefined ? 'everywhere' : 'workspace';
  }

  /** Chooses a model. A choice for everywhere also replaces the one for this workspace. */
  async choose(name: string, scope: ModelScope): Promise<void> {
    if (scope === 'workspace') await this.#memory.update(workspaceKey, name);
    else {
      await this.#memory.update(workspaceKey, undefined);
      await vscode.workspace.getConfiguration().update(settings.model, name, vscode.ConfigurationTarget.Global);
    }
    this.#changed.fire();
  }

  /** Chooses a model in the current scope. Choosing the model of the settings clears the choice for the workspace. */
  async use(name: string): Promise<void> {
    if (this.scope === 'workspace' && name === this.#everywhere) await this.forgetWorkspace();
    else await this.choose(name, this.scope);
  }

  async forgetWorkspace(): Promise<void> {
    await this.#memory.update(workspaceKey, undefined);
    this.#changed.fire();
  }

  dispose(): void {
    this.#subscription.dispose();
    this.#changed.dispose();
  }

  get #everywhere(): string {
    return vscode.workspace.getConfiguration().get<string>(settings.model, '');
  }
}
