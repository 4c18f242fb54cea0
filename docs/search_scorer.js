// How the search of the manual orders its hits. It is Sphinx's order, but answers for users and
// operators come first, records for developers last.
const LAST = /^(docs\/decisions\/|docs\/release-checklist|CHANGELOG|CONTRIBUTING|SECURITY)/;
const FIRST = /^docs\/(how-to\/|tutorial|page|operations)/;

var Scorer = {
  score: ([docname, , , , score]) => {
    if (LAST.test(docname)) return score - 100;
    return FIRST.test(docname) ? score + 10 : score;
  },

  // The rest are Sphinx's values.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
