/** The command ids that package.json declares; a test checks that both lists agree. */
export const commands = {
  addModel: 'unmask.addModel',
  compareWithBase: 'unmask.compareWithBase',
  deleteAllData: 'unmask.deleteAllData',
  deleteEvaluation: 'unmask.deleteEvaluation',
  deleteRun: 'unmask.deleteRun',
  explainLastCompletion: 'unmask.explainLastCompletion',
  exportEvaluation: 'unmask.exportEvaluation',
  findTests: 'unmask.findTests',
  getStarted: 'unmask.getStarted',
  keepModel: 'unmask.keepModel',
  openEvaluation: 'unmask.openEvaluation',
  openPanelInEditor: 'unmask.openPanelInEditor',
  openRun: 'unmask.openRun',
  pauseRun: 'unmask.pauseRun',
  previousModel: 'unmask.previousModel',
  removeModel: 'unmask.removeModel',
  restartRuntime: 'unmask.restartRuntime',
  resumeRun: 'unmask.resumeRun',
  revealFolder: 'unmask.revealFolder',
  runSpgEval: 'unmask.runSpgEval',
  selectModel: 'unmask.selectModel',
  setHubToken: 'unmask.setHubToken',
  showDevices: 'unmask.showDevices',
  showLog: 'unmask.showLog',
  showPanel: 'unmask.showPanel',
  snoozeCompletions: 'unmask.snoozeCompletions',
  stopRun: 'unmask.stopRun',
  toggleCompletions: 'unmask.toggleCompletions',
  toggleLanguage: 'unmask.toggleLanguage',
  tuneOnTask: 'unmask.tuneOnTask',
  tuneOnTests: 'unmask.tuneOnTests',
  useModel: 'unmask.useModel',
} as const;

/** VS Code runs this command when a suggestion is accepted. It is internal, so package.json does not declare it. */
export const suggestionAcceptedCommand = 'unmask.suggestionAccepted';

export const settings = {
  node: 'unmask.node',
  model: 'unmask.model',
  engine: 'unmask.engine',
  device: 'unmask.device',
  home: 'unmask.home',
  enabled: 'unmask.completions.enabled',
  languages: 'unmask.completions.languages',
  multiline: 'unmask.completions.multiline',
  inCommentsAndStrings: 'unmask.completions.inCommentsAndStrings',
  debounce: 'unmask.completions.debounce',
  alternatives: 'unmask.completions.alternatives',
  contextTokens: 'unmask.completions.contextTokens',
  threshold: 'unmask.completions.threshold',
  prefetch: 'unmask.completions.prefetch',
  hyperparameters: 'unmask.tuning.hyperparameters',
  testCommand: 'unmask.tests.command',
  keepCheckpoints: 'unmask.jobs.keepCheckpoints',
  lowPriority: 'unmask.jobs.lowPriority',
  pauseOnBattery: 'unmask.jobs.pauseOnBattery',
  notifyAtEnd: 'unmask.jobs.notifyAtEnd',
} as const;

/** The views that package.json declares. */
export const views = {
  runs: 'unmask.runs',
  models: 'unmask.models',
  evaluations: 'unmask.evaluations',
  tests: 'unmask.tests',
  panel: 'unmask.panel',
} as const;

/** The panel as an editor tab. */
export const panelEditor = 'unmask.panelEditor';
