// SPDX-License-Identifier: MIT
/*
 * /dev/gpiomem for an emulated Raspberry Pi: the registers of the GPIO block, and nothing else, to be
 * mapped by programs without any right to the rest of the memory.
 *
 * Raspberry Pi's own kernels have such a driver; Debian's do not. This one has what programs see of
 * that: the names of module, device, class and number, by which the unit of JAudioSync and the udev
 * rules of Raspberry Pi OS go, and the mapping, in which offset 0 is GPFSEL0. Its addresses come from the
 * device tree's own node of the block, "brcm,bcm2835-gpio": BCM2835 ARM Peripherals, section 6.1.
 */
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/of_address.h>

#define NAME "bcm2835-gpiomem"

static struct resource registers;
static struct class *class;
static struct cdev device;
static dev_t number;

static int gpiomem_mmap(struct file *file, struct vm_area_struct *area)
{
	area->vm_page_prot = phys_mem_access_prot(file, PHYS_PFN(registers.start), PAGE_SIZE, area->vm_page_prot);
	/* Refuses what is longer than the page in which the block is. */
	return vm_iomap_memory(area, registers.start, PAGE_SIZE);
}

static const struct file_operations operations = {
	.owner = THIS_MODULE,
	.mmap = gpiomem_mmap,
	.llseek = noop_llseek,
};

static int __init gpiomem_init(void)
{
	struct device_node *node = of_find_compatible_node(NULL, NULL, "brcm,bcm2835-gpio");
	struct device *made;
	int error;

	if (!node)
		return -ENODEV;
	error = of_address_to_resource(node, 0, &registers);
	of_node_put(node);
	if (error)
		return error;
	error = alloc_chrdev_region(&number, 0, 1, NAME);
	if (error)
		return error;
	cdev_init(&device, &operations);
	error = cdev_add(&device, number, 1);
	if (error)
		goto no_device;
	class = class_create(THIS_MODULE, NAME);
	if (IS_ERR(class)) {
		error = PTR_ERR(class);
		goto no_class;
	}
	made = device_create(class, NULL, number, NULL, "gpiomem");
	if (!IS_ERR(made))
		return 0;
	error = PTR_ERR(made);
	class_destroy(class);
no_class:
	cdev_del(&device);
no_device:
	unregister_chrdev_region(number, 1);
	return error;
}

static void __exit gpiomem_exit(void)
{
	device_destroy(class, number);
	class_destroy(class);
	cdev_del(&device);
	unregister_chrdev_region(number, 1);
}

module_init(gpiomem_init);
module_exit(gpiomem_exit);
MODULE_DESCRIPTION("/dev/gpiomem of a Raspberry Pi, for one that is emulated");
MODULE_LICENSE("Dual MIT/GPL");
