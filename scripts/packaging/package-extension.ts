import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { createVSIX } from '@vscode/vsce';
import { bundles } from '../../esbuild.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const libraries = 'node_modules/onnxruntime-node/bin/napi-v6';

/** The current platform as VS Code names it, such as `linux-x64`. */
export const hostTarget = `${process.platform}-${process.arch}`;

/** The platforms that the extension can be packaged for: those with an ONNX Runtime library. */
export function targets(): string[] {
  return readdirSync(path.join(root, libraries))
    .flatMap((platform) => readdirSync(path.join(root, libraries, platform)).map((arch) => `${platform}-${arch}`))
    .sort();
}

/** Packages the built extension for one platform. */
export async function packageExtension(
  target: string,
  packagePath = path.join(root, `unmask-${target}.vsix`),
): Promise<{ file: string; bytes: number }> {
  const missing = Object.keys(bundles).filter((file) => !existsSync(path.join(root, file)));
  if (missing.length > 0) throw new Error(`${missing.join(', ')} was not built; run npm run build first.`);
  await withIgnoreFile(target, (ignoreFile) =>
    createVSIX({
      cwd: root,
      target,
      packagePath,
      ignoreFile,
      allowMissingRepository: true,
      rewriteRelativeLinks: false,
    }),
  );
  return { file: packagePath, bytes: (await stat(packagePath)).size };
}

/** Writes a temporary ignore file: `.vscodeignore` plus a line that includes the platform's native libraries. */
async function withIgnoreFile<T>(target: string, use: (ignoreFile: string) => Promise<T>): Promise<T> {
  if (!targets().includes(target)) {
    throw new Error(`There is no ONNX Runtime for ${target}; package for one of ${targets().join(', ')}.`);
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-package-'));
  try {
    const file = path.join(folder, 'ignore');
    const rules = await readFile(path.join(root, '.vscodeignore'), 'utf8');
    await writeFile(file, `${rules}!${libraries}/${target.replace('-', '/')}/**\n`);
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
