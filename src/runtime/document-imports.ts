import { importsOf } from '../syntax/imports.ts';

/** Lines that may import something. */
const importing = /^.*\b(import|require|from|use|mod|export)\b.*$/gm;

/** What each document imports, parsed again only if one of its lines that may import something has changed. */
export class DocumentImports {
  readonly #known = new Map<string, { readonly lines: string; readonly imports: Promise<readonly string[]> }>();

  of(uri: string, languageId: string, text: string): Promise<readonly string[]> {
    const lines = (text.match(importing) ?? []).join('\n');
    const known = this.#known.get(uri);
    if (known?.lines === lines) return known.imports;
    const imports = importsOf(languageId, text);
    this.#known.delete(uri);
    this.#known.set(uri, { lines, imports });
    if (this.#known.size > 20) this.#known.delete(this.#known.keys().next().value as string);
    return imports;
  }
}
