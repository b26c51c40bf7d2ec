import * as vscode from 'vscode';
import { findEngineProblem, firstAccepted } from './accept-node.ts';
import { settings } from './contributions.ts';
import { findNodes, type NodeProgram } from './find-node.ts';

const acceptedNodesKey = 'acceptedNodes';

/**
 * The Node that runs the runtime and the jobs: the configured one, else the first on PATH that is new enough, else VS
 * Code's own. An engine must pass its self-test in it. A pass is remembered for this Node and this version of the
 * extension, so that most windows do not test anything.
 */
export class NodeChoice {
  readonly #script: string;
  readonly #memory: vscode.Memento;
  readonly #version: string;
  readonly #log: vscode.LogOutputChannel;
  #chosen: { readonly configured: string; readonly node: Promise<NodeProgram> } | null = null;

  constructor(context: vscode.ExtensionContext, script: string, log: vscode.LogOutputChannel) {
    this.#script = script;
    this.#memory = context.globalState;
    this.#version = String((context.extension.packageJSON as { version: unknown }).version);
    this.#log = log;
  }

  /** Throws a `UserError` if no Node is accepted; the next call searches again. */
  get(): Promise<NodeProgram> {
    const configured = vscode.workspace.getConfiguration().get<string>(settings.node, '');
    if (this.#chosen?.configured !== configured) {
      const node = firstAccepted(findNodes(configured), (found) => this.#rejectionReason(found));
      const chosen = { configured, node };
      this.#chosen = chosen;
      node.catch(() => {
        if (this.#chosen === chosen) this.#chosen = null;
      });
    }
    return this.#chosen.node;
  }

  async #rejectionReason(node: NodeProgram): Promise<string | null> {
    // Only passes are remembered: a failure may have been fixed since.
    const accepted = this.#memory.get<readonly string[]>(acceptedNodesKey, []);
    const key = `${this.#version} ${node.version} ${node.file}`;
    if (accepted.includes(key)) return null;
    this.#log.info(`Testing a backend in ${node.file} (Node.js ${node.version})`);
    const reason = await findEngineProblem(node, this.#script, (line) => this.#log.info(line));
    if (reason === null) await this.#memory.update(acceptedNodesKey, [key, ...accepted].slice(0, 10));
    else this.#log.warn(`Not using ${node.file}: ${reason}`);
    return reason;
  }
}
