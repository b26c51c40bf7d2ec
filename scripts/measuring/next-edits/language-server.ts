import ts from 'typescript';
import type { Span } from '../../../src/protocol/text-edit.ts';

/** TypeScript's language service for one file at a time, without its imports and without libraries. */
export class LanguageServer {
  #text = '';
  #version = 0;
  readonly #file = 'file.tsx';
  readonly #service: ts.LanguageService;

  constructor() {
    this.#service = ts.createLanguageService({
      getScriptFileNames: () => [this.#file],
      getScriptVersion: () => String(this.#version),
      getScriptSnapshot: (name) => (name === this.#file ? ts.ScriptSnapshot.fromString(this.#text) : undefined),
      getCurrentDirectory: () => '/',
      getCompilationSettings: () => ({ noLib: true, noResolve: true, jsx: ts.JsxEmit.Preserve }),
      getDefaultLibFileName: () => 'lib.d.ts',
      fileExists: (name) => name === this.#file,
      readFile: () => undefined,
    });
  }

  /** The places that a rename at an offset would change, in order; empty if nothing there can be renamed. */
  renameLocations(text: string, offset: number): Span[] {
    this.#text = text;
    this.#version++;
    const found = this.#service.findRenameLocations(this.#file, offset, false, false, {}) ?? [];
    return found
      .map(({ textSpan: { start, length } }) => ({ start, end: start + length }))
      .sort((a, b) => a.start - b.start);
  }
}
