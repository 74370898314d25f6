/* The mixer of a card that is not there: a control plugin of ALSA's library, which programs open
 * like that of a real card. It has one stereo volume with the range and the decibels of its
 * configuration, and a switch for each channel:
 *
 *     ctl_type.simulated_mixer { lib "/.../mixer.so" }
 *     ctl.!default {
 *         type simulated_mixer
 *         state "/.../state"           the values: left, right, left's switch, right's switch,
 *                                      as four int64_t; shared by all programs
 *         control "Digital"
 *         min 0
 *         max 207
 *         tlv [ 1 8 -10350 65586 ]     the decibels as the kernel's drivers describe them in
 *                                      include/uapi/sound/tlv.h; without this there are none
 *     } */
#include <alsa/asoundlib.h>
#include <alsa/control_external.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VOLUME, SWITCH, ELEMENTS };
enum { CHANNELS = 2, TLV_WORDS = 64 };

struct mixer {
    snd_ctl_ext_t ext;
    int state;
    char name[ELEMENTS][64];
    long min, max;
    int has_tlv;
    unsigned int tlv[TLV_WORDS];
    /* The values that were read or written last: others are reported as events. */
    int64_t seen[ELEMENTS][CHANNELS];
};

static int load(struct mixer *mixer, int element, int64_t values[CHANNELS])
{
    size_t size = CHANNELS * sizeof(int64_t);
    return pread(mixer->state, values, size, element * size) == (ssize_t)size ? 0 : -EIO;
}

static void close_mixer(snd_ctl_ext_t *ext)
{
    struct mixer *mixer = ext->private_data;
    close(mixer->state);
    free(mixer);
}

static int elem_count(snd_ctl_ext_t *ext)
{
    (void)ext;
    return ELEMENTS;
}

static int elem_list(snd_ctl_ext_t *ext, unsigned int offset, snd_ctl_elem_id_t *id)
{
    struct mixer *mixer = ext->private_data;
    if (offset >= ELEMENTS)
        return -EINVAL;
    snd_ctl_elem_id_set_interface(id, SND_CTL_ELEM_IFACE_MIXER);
    snd_ctl_elem_id_set_name(id, mixer->name[offset]);
    return 0;
}

static snd_ctl_ext_key_t find_elem(snd_ctl_ext_t *ext, const snd_ctl_elem_id_t *id)
{
    struct mixer *mixer = ext->private_data;
    unsigned int number = snd_ctl_elem_id_get_numid(id);
    if (number > 0 && number <= ELEMENTS)
        return number - 1;
    for (int element = 0; element < ELEMENTS; element++)
        if (strcmp(snd_ctl_elem_id_get_name(id), mixer->name[element]) == 0)
            return element;
    return SND_CTL_EXT_KEY_NOT_FOUND;
}

static int get_attribute(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, int *type, unsigned int *access,
                         unsigned int *count)
{
    struct mixer *mixer = ext->private_data;
    *type = key == VOLUME ? SND_CTL_ELEM_TYPE_INTEGER : SND_CTL_ELEM_TYPE_BOOLEAN;
    *access = SND_CTL_EXT_ACCESS_READWRITE;
    if (key == VOLUME && mixer->has_tlv)
        *access |= SND_CTL_EXT_ACCESS_TLV_READ;
    *count = CHANNELS;
    return 0;
}

static int get_integer_info(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *min, long *max, long *step)
{
    struct mixer *mixer = ext->private_data;
    (void)key;
    *min = mixer->min;
    *max = mixer->max;
    *step = 0;
    return 0;
}

static int read_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
    struct mixer *mixer = ext->private_data;
    int error = load(mixer, key, mixer->seen[key]);
    for (int channel = 0; channel < CHANNELS; channel++)
        value[channel] = mixer->seen[key][channel];
    return error;
}

static int write_integer(snd_ctl_ext_t *ext, snd_ctl_ext_key_t key, long *value)
{
    struct mixer *mixer = ext->private_data;
    size_t size = CHANNELS * sizeof(int64_t);
    for (int channel = 0; channel < CHANNELS; channel++) {
        if (key == VOLUME && (value[channel] < mixer->min || value[channel] > mixer->max))
            return -EINVAL;
        mixer->seen[key][channel] = value[channel];
    }
    return pwrite(mixer->state, mixer->seen[key], size, key * size) == (ssize_t)size ? 1 : -EIO;
}

static int read_event(snd_ctl_ext_t *ext, snd_ctl_elem_id_t *id, unsigned int *mask)
{
    struct mixer *mixer = ext->private_data;
    for (int element = 0; element < ELEMENTS; element++) {
        int64_t now[CHANNELS];
        if (load(mixer, element, now) < 0 || memcmp(now, mixer->seen[element], sizeof(now)) == 0)
            continue;
        memcpy(mixer->seen[element], now, sizeof(now));
        elem_list(ext, element, id);
        snd_ctl_elem_id_set_numid(id, element + 1);
        *mask = SND_CTL_EVENT_MASK_VALUE;
        return 1;
    }
    return -EAGAIN;
}

static const snd_ctl_ext_callback_t callbacks = {
    .close = close_mixer,
    .elem_count = elem_count,
    .elem_list = elem_list,
    .find_elem = find_elem,
    .get_attribute = get_attribute,
    .get_integer_info = get_integer_info,
    .read_integer = read_integer,
    .write_integer = write_integer,
    .read_event = read_event,
};

static int read_tlv(struct mixer *mixer, snd_config_t *words)
{
    snd_config_iterator_t here, next;
    int count = 0;
    snd_config_for_each(here, next, words) {
        long word;
        if (count == TLV_WORDS || snd_config_get_integer(snd_config_iterator_entry(here), &word) < 0)
            return -EINVAL;
        mixer->tlv[count++] = (unsigned int)word;
    }
    mixer->has_tlv = count > 1;
    return 0;
}

static int configure(struct mixer *mixer, snd_config_t *configuration)
{
    const char *state, *control;
    snd_config_t *tlv;
    long value;
    snd_config_iterator_t here, next;
    snd_config_for_each(here, next, configuration) {
        snd_config_t *entry = snd_config_iterator_entry(here);
        const char *key;
        if (snd_config_get_id(entry, &key) < 0)
            continue;
        if (strcmp(key, "state") == 0 && snd_config_get_string(entry, &state) == 0) {
            mixer->state = open(state, O_RDWR | O_CLOEXEC);
            if (mixer->state < 0)
                return -errno;
        } else if (strcmp(key, "control") == 0 && snd_config_get_string(entry, &control) == 0) {
            snprintf(mixer->name[VOLUME], sizeof(mixer->name[VOLUME]), "%.32s Playback Volume", control);
            snprintf(mixer->name[SWITCH], sizeof(mixer->name[SWITCH]), "%.32s Playback Switch", control);
        } else if (strcmp(key, "min") == 0 && snd_config_get_integer(entry, &value) == 0) {
            mixer->min = value;
        } else if (strcmp(key, "max") == 0 && snd_config_get_integer(entry, &value) == 0) {
            mixer->max = value;
        }
    }
    return snd_config_search(configuration, "tlv", &tlv) == 0 ? read_tlv(mixer, tlv) : 0;
}

SND_CTL_PLUGIN_DEFINE_FUNC(simulated_mixer)
{
    (void)root;
    struct mixer *mixer = calloc(1, sizeof(*mixer));
    if (!mixer)
        return -ENOMEM;
    mixer->state = -1;
    int error = configure(mixer, conf);
    if (error == 0) {
        mixer->ext.version = SND_CTL_EXT_VERSION;
        mixer->ext.card_idx = 0;
        strcpy(mixer->ext.id, "Simulated");
        strcpy(mixer->ext.driver, "Simulated");
        strcpy(mixer->ext.name, "Simulated mixer");
        strcpy(mixer->ext.longname, "A mixer without a card");
        strcpy(mixer->ext.mixername, "Simulated mixer");
        mixer->ext.poll_fd = -1;
        mixer->ext.callback = &callbacks;
        mixer->ext.private_data = mixer;
        mixer->ext.tlv.p = mixer->tlv;
        error = snd_ctl_ext_create(&mixer->ext, name, mode);
    }
    if (error < 0) {
        if (mixer->state >= 0)
            close(mixer->state);
        free(mixer);
        return error;
    }
    *handlep = mixer->ext.handle;
    return 0;
}

SND_CTL_PLUGIN_SYMBOL(simulated_mixer);
