import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  { files: ['clients/js/**', 'web/page/**', 'tests/**'], languageOptions: { globals: globals.browser } },
  {
    files: ['clients/js/microphone-worklet.js'],
    languageOptions: { globals: globals.audioWorklet },
  },
  { files: ['tests/**/*.mjs'], languageOptions: { globals: globals.node } },
];
