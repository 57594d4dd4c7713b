/* A wavemeter's library as the maker's header declares it, with an instrument behind it that the
   tests drive: fake_measure() lets it measure on a thread of its own. Compiled by the tests with
   -DLONG=int32_t and -DLONG=int64_t, for the two widths that "long" had in the maker's libraries. */

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INPUTS 8
#define FULL 3500
typedef void (*Callback)(LONG, LONG, LONG, double, LONG);

static const int result_modes[INPUTS] = {42, 43, 90, 91, 92, 93, 94, 95};
static const int exposure_modes[2][INPUTS] = {{7, 125, 126, 127, 128, 129, 130, 131},
                                              {8, 132, 133, 134, 135, 136, 137, 138}};

static struct {
    bool is_running, can_start, refuses_callback, has_pressure;
    int type, inputs, cameras, has_switch;
    int operation, switch_mode, selected, return_mode;
    int use[INPUTS], exposure[INPUTS][2], exposure_mode[INPUTS];
    int stops, deactivations, installed, removed;
    double thz[INPUTS];
    double light[INPUTS]; /* amplitude for each ms of exposure */
    double result[INPUTS];
    bool is_new[INPUTS];
    int amplitude[INPUTS][2];
    bool is_regulating;
    double signal_mv[INPUTS];
    double pid[3][INPUTS];
    char course[INPUTS][1024];
    int was_selected[2];         /* the inputs of the last two measurements */
    int was_exposed[INPUTS][2][2]; /* their exposures, by input and camera */
    long stamp_ms;
    Callback callback;
} w;

/* what the tests set and look at ----------------------------------------------------------- */

void fake_reset(void) {
    memset(&w, 0, sizeof w);
    w.is_running = w.has_pressure = true;
    w.type = 8; w.inputs = INPUTS; w.cameras = 2; w.has_switch = 1;
    w.operation = 2; w.switch_mode = 1; w.selected = 1; w.stamp_ms = 5000000;
    for (int i = 0; i < INPUTS; i++) {
        w.use[i] = i < 2;
        w.thz[i] = 380.0 + i;
        w.light[i] = 350;
        for (int c = 0; c < 2; c++)
            w.exposure[i][c] = w.was_exposed[i][c][0] = w.was_exposed[i][c][1] = 5;
    }
    w.was_selected[0] = w.was_selected[1] = 1;
}
void fake_run(int is_running) { w.is_running = is_running; }
void fake_can_start(void) { w.can_start = true; }
void fake_refuse_callback(void) { w.refuses_callback = true; }
void fake_be_ws6(void) { w.type = 6; w.cameras = 1; w.inputs = 1; w.has_switch = 0; w.has_pressure = false; }
void fake_light(int input, double each_ms) { w.light[input - 1] = each_ms; }
void fake_switch_mode(int mode) { w.switch_mode = mode; }
void fake_exposure(int input, int camera, int ms) { w.exposure[input - 1][camera - 1] = ms; }
void fake_exposure_mode(int input, int mode) { w.exposure_mode[input - 1] = mode; }
void fake_operation(int state) { w.operation = state; }
int fake_stops(void) { return w.stops; }
int fake_deactivations(void) { return w.deactivations; }
int fake_installed(void) { return w.installed - w.removed; }
int fake_return_mode(void) { return w.return_mode; }

static void say(int mode, int whole, double value) {
    if (w.callback) w.callback(1, mode, whole, value, 0);
}

static double reading(int measured, int shown) {
    /* the light and exposures are those of two measurements ago */
    for (int c = 0; c < 2; c++) {
        double amplitude = w.light[measured] * w.was_exposed[measured][c][0];
        w.amplitude[shown][c] = amplitude > 4095 ? 4095 : (int)amplitude;
    }
    int brightest = w.amplitude[shown][0];
    if (w.light[measured] == 0) return -1;
    if (brightest < FULL / 50) return -3;
    if (brightest > FULL) return -4;
    return w.thz[measured];
}

static void measure_input(int i, int measured) {
    double thz = reading(measured, i);
    w.result[i] = thz;
    w.is_new[i] = true;
    w.stamp_ms += 10;
    say(result_modes[i], (int)w.stamp_ms, thz > 0 ? 299792.458 / thz : thz);
    for (int c = 0; c < 2; c++) {
        w.was_exposed[i][c][0] = w.was_exposed[i][c][1];
        w.was_exposed[i][c][1] = w.exposure[i][c];
    }
}

static void *measure(void *cycles) {
    for (intptr_t k = 0; k < (intptr_t)cycles && w.is_running && w.operation == 2; k++) {
        if (w.switch_mode == 1) {
            for (int i = 0; i < w.inputs; i++)
                if (w.use[i]) measure_input(i, i);
        } else {
            measure_input(w.selected - 1, w.was_selected[0] - 1);
            w.was_selected[0] = w.was_selected[1];
            w.was_selected[1] = w.selected;
        }
        say(14, (int)w.stamp_ms, 23.5);
    }
    return NULL;
}

/* measures so many times on a thread of its own, and returns when that is done */
void fake_measure(int cycles) {
    pthread_t thread;
    pthread_create(&thread, NULL, measure, (void *)(intptr_t)cycles);
    pthread_join(thread, NULL);
}
/* somebody else turns the knob in the maker's program */
void fake_somebody_exposes(int input, int ms) {
    w.exposure[input - 1][0] = ms;
    say(exposure_modes[0][input - 1], ms, ms);
}
void fake_somebody_selects(int input) {
    w.selected = input;
    say(203, input, 0);
}

/* the library, as the maker declares it ---------------------------------------------------- */

LONG Instantiate(LONG reason, LONG mode, void *p1, LONG p2) {
    if (reason == -1) return w.is_running;
    if (!w.is_running && mode != 1) return 0;
    if (reason == 0) { w.return_mode = (int)mode; return 1; }
    if (mode == 4) {
        if (w.refuses_callback) return 0;
        w.callback = (Callback)p1;
        w.installed++;
    } else if (mode == 1 && w.callback) {
        w.callback = NULL;
        w.removed++;
    }
    return 1;
}
LONG ControlWLMEx(LONG action, void *app, LONG version, LONG delay, LONG extra) {
    if (w.can_start && action == 0x11) w.is_running = true;
    return w.is_running;
}
LONG GetWLMVersion(LONG which) {
    if (!w.is_running) return -5;
    return which == 0 ? w.type : which == 1 ? 4711 : which == 2 ? 6 : 1234;
}
LONG GetChannelsCount(LONG c) { return w.is_running ? w.inputs : -5; }
uint16_t GetOperationState(uint16_t s) { return w.is_running ? w.operation : 0; }
LONG Operation(uint16_t op) {
    if (!w.is_running) return -1;
    if (op == 0) w.stops++;
    w.operation = op;
    return 0;
}
double GetFrequencyNum(LONG n, double f) {
    if (!w.is_running) return -5;
    if (n < 1 || n > w.inputs) return -10;
    double value = w.return_mode == 1 && !w.is_new[n - 1] ? 0 : w.result[n - 1];
    w.is_new[n - 1] = false;
    return value;
}
double GetPowerNum(LONG n, double p) { return w.is_running ? w.light[n - 1] / 10 : -5; }
double GetLinewidthNum(LONG n, double l) { return w.is_running ? -6 : -5; }
double GetTemperature(double t) { return w.is_running ? 23.5 : -1005; }
double GetPressure(double p) { return !w.is_running ? -1005 : w.has_pressure ? 967.5 : -1006; }
LONG GetAmplitudeNum(LONG n, LONG index, LONG a) {
    if (!w.is_running) return -5;
    return index == 2 || index == 3 ? w.amplitude[n - 1][index - 2] : 0;
}
LONG GetExposureNum(LONG n, LONG ccd, LONG e) {
    if (!w.is_running) return -5;
    return ccd <= w.cameras ? w.exposure[n - 1][ccd - 1] : -6;
}
LONG SetExposureNum(LONG n, LONG ccd, LONG ms) {
    if (!w.is_running) return -1;
    if (ms < 1 || ms > 999) return -3;
    if (w.exposure_mode[n - 1]) return -11;
    w.exposure[n - 1][ccd - 1] = (int)ms;
    say(exposure_modes[ccd - 1][n - 1], (int)ms, (double)ms);
    return 0;
}
LONG GetExposureRange(LONG which) { return !w.is_running ? -5 : which % 2 ? 999 : 1; }
LONG GetExposureModeNum(LONG n, bool m) { return w.exposure_mode[n - 1]; }
LONG SetExposureModeNum(LONG n, bool m) { w.exposure_mode[n - 1] = m; return w.is_running ? 0 : -1; }
LONG GetSwitcherMode(LONG m) { return !w.is_running ? -5 : w.has_switch ? w.switch_mode : -6; }
LONG SetSwitcherMode(LONG m) {
    if (!w.is_running) return -1;
    w.switch_mode = (int)m;
    return 0;
}
uint8_t GetDeviationMode(bool m) { return w.is_regulating; }
LONG SetDeviationMode(bool m) { w.is_regulating = m; return w.is_running ? 0 : -1; }
double GetDeviationSignalNum(LONG port, double s) { return w.signal_mv[port - 1]; }
LONG SetDeviationSignalNum(LONG port, double s) {
    if (!w.is_running) return -1;
    if (port > 2) return -10;
    w.signal_mv[port - 1] = s;
    return 0;
}
LONG GetPIDSetting(LONG setting, LONG port, LONG *whole, double *value) {
    if (!w.is_running) return -5;
    if (port > 2) return -10;
    *whole = 0;
    *value = setting == 1033 || setting == 1060 ? 0.5 : w.pid[setting - 1034][port - 1];
    return 1; /* and not 0 */
}
LONG SetPIDSetting(LONG setting, LONG port, LONG whole, double value) {
    if (!w.is_running) return -1;
    if (value > 1000) return -3;
    w.pid[setting - 1034][port - 1] = value;
    return 0;
}
LONG GetPIDCourseNum(LONG port, char *text) {
    strcpy(text, "= ");
    strcat(text, w.course[port - 1]);
    return w.is_running ? 0 : -1;
}
LONG SetPIDCourseNum(LONG port, char *text) {
    if (!w.is_running) return -1;
    if (strchr(text, '.')) return -3; /* it wants a comma */
    strncpy(w.course[port - 1], text, 1000);
    return 0;
}
LONG GetSwitcherChannel(LONG c) { return w.selected; }
LONG SetSwitcherChannel(LONG c) {
    if (!w.is_running) return -1;
    if (w.switch_mode == 1) return -24;
    w.selected = (int)c;
    say(203, (int)c, 0);
    return 0;
}
LONG GetSwitcherSignalStates(LONG n, LONG *use, LONG *show) {
    if (!w.is_running) return -5;
    if (!w.has_switch) return -6;
    *use = *show = w.use[n - 1];
    return 0;
}
LONG SetSwitcherSignalStates(LONG n, LONG use, LONG show) {
    if (!w.is_running) return -1;
    if (w.switch_mode != 1) return -25;
    if (w.use[n - 1] && !use) w.deactivations++;
    w.use[n - 1] = (int)use;
    return 0;
}
