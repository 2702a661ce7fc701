#!/usr/bin/env bash
# Runs one command of the gate in CI: its report becomes the step's summary, its exit code an annotation, and the step ends
# in that exit code. 10 (nothing failed, something could not be judged) is not a pass: it stops the deploy like a failure.
#
#   .github/judge.sh REPORT-FOLDER COMMAND [ARGUMENT...]
set -uo pipefail
report=$1
shift
code=0
"$@" || code=$?
if [ -s "$report/report.md" ]; then
    cat "$report/report.md" >>"$GITHUB_STEP_SUMMARY"
else
    echo "No report: \`$*\` ended with exit code $code before anything was judged." >>"$GITHUB_STEP_SUMMARY"
fi
case $code in
0) echo "::notice title=gate::passed; warnings, if any, are in the summary" ;;
1) echo "::error title=gate::failed: the summary names the cause and what to do" ;;
10) echo "::error title=gate::inconclusive, not a pass: the summary says what could not be judged" ;;
*) echo "::error title=gate::the gate itself did not run to its end (exit code $code)" ;;
esac
exit "$code"
