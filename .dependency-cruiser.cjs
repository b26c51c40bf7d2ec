/**
 * The layers, top to bottom: an import goes down this list, never up. docs/architecture.md explains each.
 * A folder missing here is an error, so that a new folder must find its place first.
 */
const layers = [
  'extension',
  'cli',
  'learning',
  'runtime',
  'workers',
  'tuning',
  'training',
  'infilling',
  'evaluation',
  'edits',
  'copies',
  'tasks',
  'workspace',
  'sandbox',
  'syntax',
  'catalogue',
  'diffusion',
  'model',
  'engine',
  'graph',
  'runs',
  'shards',
  'logging',
  'protocol',
  'platform',
];

const upward = layers.slice(1).map((layer, index) => ({
  name: `${layer}-imports-down-only`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: `^(src/(${layers.slice(0, index + 1).join('|')})|webview)/` },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'known-layer',
      comment: 'Every folder of src has a place in the list of layers.',
      severity: 'error',
      from: {},
      to: { path: '^src/', pathNot: `^src/(${layers.join('|')})/` },
    },
    {
      name: 'vscode-in-extension-only',
      severity: 'error',
      from: { pathNot: '^(src/extension|test/vscode)/' },
      to: { path: '^vscode$' },
    },
    {
      name: 'extension-stays-light',
      comment: 'The extension host holds no engine: it knows messages, run directories and files only.',
      severity: 'error',
      from: { path: '^src/extension/' },
      to: { path: '^src/', pathNot: '^src/(extension|protocol|runs|platform)/' },
    },
    {
      name: 'webview-knows-messages-only',
      severity: 'error',
      from: { path: '^webview/' },
      to: { path: '^src/', pathNot: '^src/protocol/' },
    },
    {
      name: 'bench-is-below-the-command-line',
      comment: 'The benchmark measures the runtime. Only `unmask bench` imports it.',
      severity: 'error',
      from: { path: '^bench/' },
      to: { path: '^(src/(extension|cli)|webview|scripts|test)/' },
    },
    {
      name: 'bench-for-the-command-line-only',
      severity: 'error',
      from: { path: '^(src|webview)/', pathNot: '^src/cli/' },
      to: { path: '^bench/' },
    },
    {
      name: 'product-without-scripts-and-tests',
      comment: 'Scripts and tests are not part of the package.',
      severity: 'error',
      from: { path: '^(src|webview|bench)/' },
      to: { path: '^(scripts|test)/' },
    },
    {
      name: 'completion-without-language-server',
      comment: 'What completes a text once must not load the language server.',
      severity: 'error',
      from: { path: '^src/(?!extension/|cli/commands/serve\\.ts)' },
      to: { path: '^src/runtime/server\\.ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'In esbuild.mjs, the package esbuild is resolved to the file itself.',
      severity: 'error',
      from: { pathNot: '^esbuild\\.mjs$' },
      to: { circular: true },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true, pathNot: '^vscode$' } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
